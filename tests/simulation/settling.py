"""Simulate people who ask for the outcomes of uncertain messages, and write right and wrong settlement files."""

import csv
from collections import Counter, defaultdict
from random import Random

STRANGER = "96890009999"


class SettlementFile:
    """The file that people wrote for a task instance, and when."""

    def __init__(self, path, written, lines, *, is_wrong):
        self.path = path
        self.written = written
        #: (number, what it says)
        self.lines = lines
        #: By number, what the last of its lines says.
        self.said = dict(lines)
        #: Whether it also settles what was never uncertain.
        self.is_wrong = is_wrong


class People:
    """People who ask Infocomm about uncertain rows, with separate random numbers, so that other choices stay."""

    def __init__(self, world, scenario, folder):
        self._world = world
        self._scenario = scenario
        self._folder = folder
        self._dice = Random(f"settling {world.seed}")
        self._files = 0
        can_settle = not scenario.is_function and scenario.ledger != "none"
        self.is_asked = can_settle and self._dice.random() < 0.4

    def act(self, airflow):
        """Write files for some tasks, once nothing runs that could still make a call."""
        processes = self._world.processes
        if not self.is_asked or not all(process.has_ended or process.is_dead for process in processes):
            return
        for ti in airflow.tis:
            if ti.settlements is not None and ti.settlements.is_wrong:
                self._remove(ti)  # its task failed
            elif ti.attempts and ti.attempts[-1].results and self._dice.random() < 0.8:
                self._write(ti, airflow)

    def end(self, airflow):
        """Remove wrong files, and settle the rest."""
        for ti in airflow.tis:
            if ti.settlements is not None and ti.settlements.is_wrong:
                self._remove(ti)
        self.act(airflow)
        for ti in airflow.tis:
            if ti.settlements is not None and ti.settlements.is_wrong:
                self._remove(ti)

    def _remove(self, ti):
        ti.settlements.path.unlink()
        ti.settlements = None
        self._world.note("people", f"remove the settlement file of {ti.name}")

    def _write(self, ti, airflow):
        dice, attempt = self._dice, ti.attempts[-1]
        found = self._found(attempt, airflow.gateway.calls)
        if dice.random() < 0.3:
            found = {number: words for number, words in found.items() if dice.random() < 0.5}
        wrong = self._wrong_line(airflow) if dice.random() < 0.15 else None
        if not found and wrong is None:
            return
        self._files += 1
        path = self._folder / f"settled-{self._files}.csv"
        form = "a list" if wrong or dice.random() < 0.5 else "an edited results file"
        lines = [(number, word) for number, words in found.items() for word in words]
        lines = [line for line in _settled_before(ti) if line[0] in found] + lines
        (_write_list if form == "a list" else _edit_results)(attempt, path, lines, wrong)
        ti.settlements = SettlementFile(path, self._world.tick(), lines, is_wrong=wrong is not None)
        self._world.count("settling", f"{form}{', with a wrong line' if wrong else ''}")
        self._world.note("people", f"settle {ti.name} with {form}: {lines}{f' and {wrong}' if wrong else ''}")

    @staticmethod
    def _found(attempt, calls):
        """Return the outcomes of uncertain rows by number, if all rows of the number have the same."""
        taken, known, uncertain = defaultdict(int), defaultdict(int), defaultdict(list)
        for call in calls:
            for number in call.numbers:
                taken[number, call.text] += bool(call.taken)
        unclear = {number for call in calls if call.is_arriving for number in call.numbers}
        for (_, number, text), (outcome, _, reason) in zip(attempt.rows, attempt.results, strict=False):
            if outcome == "uncertain":
                uncertain[number].append(text)
                if "another text" in reason or "recorded no outcome" in reason:
                    unclear.add(number)
            elif outcome in {"accepted", "already_sent"}:
                known[number, text] += 1
        found = {}
        for number, texts in uncertain.items():
            each = {
                text: (texts.count(text), taken[number, text] - known[number, text])
                for text in dict.fromkeys(texts)
            }
            if number not in unclear and all(more == rows for rows, more in each.values()):
                found[number] = ["accepted"] * len(texts)
            elif number not in unclear and not any(more for _, more in each.values()):
                found[number] = ["not_sent"] * len(texts)
        return found

    def _wrong_line(self, airflow):
        """Return a line about a message that was never uncertain."""
        calls = airflow.gateway.calls
        numbers = {number for call in calls if call.answer == 1 for number in call.numbers}
        doubtful = {
            number for call in calls if call.answer != 1 or not call.attempt.is_clean for number in call.numbers
        }
        planned = {row[1] for attempt in airflow.attempts if not attempt.is_clean for row in attempt.rows}
        return self._dice.choice([STRANGER, *sorted(numbers - doubtful - planned)]), "not_sent"


def _settled_before(ti):
    """Return the lines that a try has settled: each settles one call, so a new call needs another line."""
    settled = Counter()
    for attempt in ti.attempts:
        if attempt.report is not None and any(attempt.report.settled.values()):
            settled |= Counter(attempt.settlements.lines)
    return list(settled.elements())


def _write_list(_attempt, path, lines, wrong):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("msisdn", "outcome"), *lines, *([wrong] if wrong else [])])


def _edit_results(attempt, path, lines, _wrong):
    said = dict(lines)
    with attempt.path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        left = Counter(lines)
        for row in rows:
            word = said.get(row["msisdn"]) if row["outcome"] == "uncertain" else None
            left[row["msisdn"], word] -= 1
            writer.writerow({**row, "outcome": word or row["outcome"]})
        writer.writerows({"msisdn": number, "outcome": word} for number, word in left.elements())
