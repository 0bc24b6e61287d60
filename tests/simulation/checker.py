"""Check whether the promises were kept, from what the simulation itself has seen.

It shares no code with what it checks: it knows the rows that went in, the calls that the gateway saw, and what was
reported. Each exception to a promise is one that ``docs/guarantees.md`` makes, and stands here by name.
"""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests import return_codes
from tests.simulation.gateway import NO_CONNECTION

MUSCAT = ZoneInfo("Asia/Muscat")

#: Codes that blame the message or the request, and those that the gateway's document does not have.
OTHER_CODES = return_codes.MESSAGE | return_codes.REQUEST | return_codes.UNKNOWN
UNCLEAR = {None, 11, "HTTP 500", "garbage"}
NOT_SENT = {NO_CONNECTION, "HTTP 403", "HTTP 429", "HTTP 503"}

#: How much time may pass until the sender has drawn its conclusions from an answer: two writes to its ledger.
SLACK = 0.1

#: What a task may end with besides errors of the provider's own: storage that fails, Airflow's signals.
FOREIGN_ERRORS = {"AirflowRuntimeError", "OperationalError", "Terminated", "TaskTimeoutError"}

#: Errors by gravity.
GRAVITY = (
    "ISmartLoginError",
    "ISmartAccountError",
    "ISmartCreditError",
    "ISmartUncertainError",
    "ISmartRefusedError",
    "ISmartUnavailableError",
)


def check(world, scenario, airflow):
    """Return what was broken, as "promise: how"."""
    return list(dict.fromkeys(Checker(world, scenario, airflow).broken()))


class Checker:
    def __init__(self, world, scenario, airflow):
        self.world = world
        self.scenario = scenario
        self.airflow = airflow
        self.calls = airflow.gateway.calls
        self.calls_of = defaultdict(list)
        for call in self.calls:
            self.calls_of[call.attempt].append(call)
        lists = defaultdict(set)
        for attempt in airflow.attempts:
            lists[attempt.process.index].add(tuple(sorted(number for _, number, _ in attempt.rows)))
        #: The mapped indexes whose numbers never changed.
        self.fixed_indexes = {index for index, found in lists.items() if len(found) == 1}
        self.options = scenario.options
        self.deduplicate = self.options["deduplicate"]

    def broken(self):
        yield from self.strangers()
        yield from self.twice()
        for attempt in self.airflow.attempts:
            for violation in self.attempt(attempt):
                yield f"{violation} [{attempt}]"
        yield from self.wrong_logins()
        yield from self.secrets()
        yield from self.in_the_end()

    # Nobody who is not on the list

    def strangers(self):
        for call in self.calls:
            asked = {(number, text) for _, number, text in call.attempt.rows if number}
            for number in call.numbers:
                if (number, call.text) not in asked:
                    yield f"no stranger: call {call.number} says {call.text!r} to {number}, who is not asked for"
                if self.scenario.is_excluded(number):
                    yield f"nobody who is excluded: call {call.number} is to {number}"
            if len(set(call.numbers)) < len(call.numbers):
                yield f"no number twice: call {call.number} names one twice"
            pushed = (
                self.scenario.push_at.astimezone(MUSCAT).strftime("%m/%d/%Y %H:%M:%S")
                if self.scenario.push_at
                else None
            )
            if pushed and call.attempt.began_at > self.scenario.seconds_until_push_at:
                yield f"no value changes: call {call.number} of a try that began after its PushDateTime"
            if self.scenario.quiet_hours and pushed and self.is_quiet(self.scenario.push_at.astimezone(MUSCAT)):
                yield f"no message in quiet hours: call {call.number} with a push_at in them"
            now = self.time_of(call)
            has_passed = pushed and self.scenario.push_at <= now
            if self.scenario.quiet_hours and (not pushed or (has_passed and self.is_quiet(now))):
                yield from self.quiet_hours(call)
            elif call.push_at != pushed:
                yield f"no value changes: call {call.number} has PushDateTime {call.push_at}, not {pushed}"

    # No message in quiet hours

    def is_quiet(self, time):
        start, end = self.scenario.quiet_hours.split("-")
        clock = time.strftime("%H:%M")
        return start <= clock < end if start < end else not end <= clock < start

    def time_of(self, call):
        return (self.scenario.epoch + timedelta(seconds=call.started_at)).astimezone(MUSCAT)

    def quiet_hours(self, call):
        now = self.time_of(call)
        if not self.is_quiet(now):
            if call.push_at:
                yield f"scheduled only in quiet hours: call {call.number} at {now} is for {call.push_at}"
            return
        if not call.push_at:
            yield f"no message in quiet hours: call {call.number} at {now} has no PushDateTime"
            return
        time = datetime.strptime(call.push_at, "%m/%d/%Y %H:%M:%S").replace(tzinfo=MUSCAT)
        if self.is_quiet(time) or not timedelta(minutes=1) < time - now <= timedelta(days=1):
            yield f"no message in quiet hours: call {call.number} at {now} is for {call.push_at}"

    # No number twice

    def twice(self):
        taken = defaultdict(list)
        for call in self.calls:
            if call.taken:
                for number in call.numbers:
                    taken[number].append(call)
        for number, calls in taken.items():
            by_text = defaultdict(list)
            for call in calls:
                by_text[call.text].append(call)
            for text, same in by_text.items():
                most = self.most(number, text)
                if self.counted(same, most) > most:
                    yield (
                        f"no number twice: {number} got {text!r} {len(same)} times, {most} asked for: "
                        f"calls {numbers_of(same)}"
                    )
            if self.scenario.shape != "mapped":
                most = self.most(number)
                if self.counted(calls, most) > most:
                    yield (
                        f"no number twice: {number} got {len(calls)} messages, at most {most} asked for: "
                        f"calls {numbers_of(calls)}"
                    )

    def counted(self, calls, most):
        """Count the messages; with resend, not those sent before ``most`` were known to be accepted."""
        if self.options["on_uncertain"] != "resend":
            return len(calls)
        known = [call for call in calls if call.answer == 1 and call.attempt.is_clean]
        if len(known) < most or not known:
            return len(known)
        enough = sorted(call.answered for call in known)[most - 1]
        # a try that Airflow has given up on may still make calls that its successor could only count as uncertain
        late = [call for call in calls if call.started > enough and not call.attempt.process.is_given_up]
        return len({*known, *late})

    def most(self, number, text=None):
        """Return the most messages (with this text) that one try requested.

        If a mapped index cannot see the records of the others, it is what all indexes requested together.
        """
        is_together = self.scenario.shape == "mapped" and not self.scenario.has_sql
        of_process = defaultdict(Counter)
        for attempt in self.airflow.attempts:
            for _, asked, words in attempt.rows:
                if asked == number and text in {None, words}:
                    of_process[attempt.process, attempt.generation if is_together else 0][words] += 1
        generations = {generation for _, generation in of_process}
        most = defaultdict(Counter)
        for (process, generation), here in of_process.items():
            count = len(here) if self.deduplicate else here.total()
            if not is_together:
                together = [process]
            elif process.index in self.fixed_indexes:  # two of them can exchange their texts (docs/mapping.md)
                together = generations
            else:
                together = [generation]
            for group in together:
                most[group][process.index] = max(most[group][process.index], count)
        return max((each.total() for each in most.values()), default=0)

    # One send of one try

    def attempt(self, attempt):
        calls = self.calls_of[attempt]
        yield from self.cap(attempt, calls)
        yield from self.settlements(attempt, calls)
        yield from self.stops(attempt, calls)
        yield from self.one_at_a_time(attempt, calls)
        if attempt.ended is None or attempt.is_terminated:
            return
        if attempt.results is not None:
            yield from self.rows(attempt, calls)
            yield from self.excluded(attempt)
        if attempt.report is not None:
            yield from self.counts(attempt, calls)
        yield from self.error(attempt, calls)

    def counts(self, attempt, calls):
        report = attempt.report
        outcomes = {outcome.value: count for outcome, count in report.outcomes.items()}
        if sum(outcomes.values()) != len(attempt.rows):
            yield f"every row accounted for: {len(attempt.rows)} rows, {outcomes}"
        accepted = sum(len(call.numbers) for call in calls if call.answer == 1)
        if not attempt.had_trouble and outcomes["accepted"] != accepted:
            yield f"counts are the gateway's: {outcomes['accepted']} accepted reported, {accepted} answered with 1"
        if report.calls != len(calls):
            yield f"counts are the gateway's: {report.calls} calls reported, {len(calls)} made"
        scheduled = sum(len(call.numbers) for call in calls if call.answer == 1 and call.push_at)
        if report.scheduled != scheduled and not self.scenario.push_at:
            yield f"counts are the gateway's: {report.scheduled} scheduled reported, {scheduled} taken"
        if report.parts != accepted:
            yield f"counts are the gateway's: {report.parts} parts reported, {accepted} taken"
        if self.scenario.has_languages:
            yield from self.languages(report)
        if attempt.results is not None:
            seen = Counter(outcome for outcome, _, _ in attempt.results)
            if {outcome: count for outcome, count in outcomes.items() if count} != seen:
                yield f"every row accounted for: the report says {outcomes}, the results {dict(seen)}"

    @staticmethod
    def languages(report):
        of_each = report.languages.values()
        outcomes = {outcome: sum(of.rows[outcome] for of in of_each) for outcome in report.outcomes}
        if outcomes != report.outcomes:
            yield f"every row accounted for: by language {outcomes}, in all {report.outcomes}"
        parts = sum(part for of in of_each for outcome, part in of.parts.items() if outcome.value == "accepted")
        if parts != report.parts:
            yield f"counts are the gateway's: {parts} parts by language, {report.parts} in all"

    def rows(self, attempt, calls):
        results = attempt.results
        if len(results) != len(attempt.rows):
            yield f"every row accounted for: {len(attempt.rows)} rows, {len(results)} results"
            return
        said = defaultdict(Counter)
        seen = set()
        for (_, number, text), (outcome, code, _) in zip(attempt.rows, results, strict=True):
            key = (number, text)
            said[outcome][key] += 1
            if bool(number) == (outcome == "invalid"):
                yield f"every row accounted for: {number or 'no number'} is {outcome}"
            if outcome == "duplicate" and not (self.deduplicate and key in seen):
                yield f"every row accounted for: {number} is called a duplicate, and is none"
            if outcome == "refused" and not self.was_refused(calls, number, text, code):
                yield f"counts are the gateway's: {number} is refused with {code}, which was never answered"
            if outcome == "already_sent" and not self.was_sent_before(attempt, number):
                yield f"nobody dropped: {number} is already_sent, but nothing was taken for it"
            if outcome == "uncertain" and not self.may_be_uncertain(attempt, number):
                yield f"uncertain was in flight: {number} is uncertain, and no call to it was ever open"
            seen.add(key)
        accepted = Counter((number, call.text) for call in calls if call.answer == 1 for number in call.numbers)
        if said["accepted"] != accepted:
            yield f"counts are the gateway's: accepted {dict(said['accepted'])}, answered with 1 {dict(accepted)}"
        unclear = Counter(
            (number, call.text) for call in calls if call.answer in UNCLEAR for number in call.numbers
        )
        if unclear - said["uncertain"] - accepted:
            yield f"nobody dropped: unclear answers for {dict(unclear)}, uncertain {dict(said['uncertain'])}"

    def excluded(self, attempt):
        for (_, number, _), (outcome, _, _) in zip(attempt.rows, attempt.results, strict=False):
            if number and self.scenario.is_excluded(number) != (outcome == "excluded"):
                yield f"nobody who is excluded: {number} is {outcome}"

    @staticmethod
    def was_refused(calls, number, text, code):
        return any(call.answer == code and number in call.numbers and call.text == text for call in calls)

    def was_sent_before(self, attempt, number):
        return any(
            call.taken and number in call.numbers and call.attempt is not attempt and self.is_seen(attempt, call)
            for call in self.calls
        )

    def is_seen(self, attempt, call):
        """Return whether the attempt's ledger can know of the call."""
        return call.started < attempt.ended

    def may_be_uncertain(self, attempt, number):
        """Return whether a call to the number was in flight, or its process died or lost its ledger."""
        for call in self.calls:
            if number in call.numbers and call.started < attempt.ended:
                if call.answer in UNCLEAR or call.answered is None or not call.attempt.is_clean:
                    return True
                if call.attempt is not attempt and call.answered > attempt.began:
                    return True
        for other in self.airflow.attempts:
            if other.began > attempt.ended or not any(row[1] == number for row in other.rows):
                continue
            if other.may_leave_unknown or (other is not attempt and other.ended > attempt.began):
                return True
        return False

    # The cap: each text is one part, so each message that the gateway takes is one credit

    def is_over_cap(self, attempt):
        return "max_credits is" in str(attempt.error)

    def cap(self, attempt, calls):
        cap = self.options.get("max_credits")
        if self.is_over_cap(attempt):
            wanted = sum(bool(number) and not self.scenario.is_excluded(number) for _, number, _ in attempt.rows)
            if calls or cap is None or wanted <= cap:
                yield f"the cap is kept: {len(calls)} calls, {wanted} rows, and {attempt.error}"
        taken = sum(len(call.numbers) for call in calls if call.taken)
        if cap is not None and taken > cap:
            yield f"the cap is kept: {taken} messages taken, max_credits is {cap}"

    # What people found out about uncertain messages

    def settlements(self, attempt, calls):
        file = attempt.settlements
        if file is None:
            return
        if file.is_wrong:
            if calls:
                yield f"a wrong settlement changes nothing: calls {numbers_of(calls)} with {file.path.name}"
            return
        name = type(attempt.error).__name__ if attempt.error else "success"
        if "nothing was settled or sent" in str(attempt.error):
            if calls or self.is_sure(attempt):
                yield f"a right settlement settles: {attempt.error}"
            self.world.count("settling", "a right file is refused, because more happened than people know")
            return
        if attempt.ended is None or attempt.results is None or attempt.had_trouble or attempt.is_terminated:
            return
        has_died = any(other.settlements and other.report is None for other in attempt.ti.attempts)
        for (_, number, _), (outcome, _, reason) in zip(attempt.rows, attempt.results, strict=False):
            # about calls of other tasks, and lines that a dead try has used up, people cannot know
            is_news = has_died or "another" in reason or self.was_called_since(number, file.written)
            if outcome == "uncertain" and number in file.said and not is_news:
                yield f"a right settlement settles: {number} is {file.said[number]}, and uncertain ({name})"
            if number in file.said:
                self.world.count("settling", f"a row settled as {file.said[number]} ends as {outcome}")

    def is_sure(self, attempt):
        """Return whether people knew all that the ledger has: same input, and no try settled and died."""
        is_alone = self.scenario.shape == "task" or (self.scenario.shape == "mapped" and not self.scenario.has_sql)
        others = [other for other in attempt.ti.attempts if other is not attempt]
        return (
            is_alone
            and not (self.scenario.has_time_in_text or self.scenario.simplifies or self.scenario.was_query)
            and not any(other.generation != attempt.generation for other in others)
            and not any(other.settlements and other.report is None for other in others)
        )

    def was_called_since(self, number, tick):
        return any(call.started > tick and number in call.numbers for call in self.calls)

    # When to stop, and one at a time

    def stops(self, attempt, calls):
        stop = None
        for call in sorted((call for call in calls if call.answered), key=lambda call: call.answered):
            if call.answer in return_codes.LOGIN | return_codes.ACCOUNT | return_codes.CREDIT:
                stop = call
                break
        if stop is not None:
            for call in calls:
                if call.started > stop.answered:
                    yield (
                        f"the account is not harmed: call {call.number} after code {stop.answer} to call "
                        f"{stop.number}"
                    )

    def one_at_a_time(self, attempt, calls):
        """Check that calls go one at a time until one is accepted and after an unclear one; three such stop."""
        answers = sorted((call for call in calls if call.answered), key=lambda call: call.answered)
        for call in calls:
            before = [other for other in answers if other.answered < call.started]
            settled = [other for other in before if other.answered_at < call.started_at - SLACK]
            news = before[len(settled) :]
            if attempt.process.frozen_until or any(other.answer == 1 for other in news):
                continue
            open_calls = [
                other
                for other in calls
                if other.started < call.started and (not other.answered or other.answered > call.started)
            ]
            last = next((other.answer for other in reversed(settled) if other.answer in UNCLEAR | {1}), "none yet")
            if open_calls and last != 1:
                yield f"one call at a time while it is unclear: call {call.number} beside {numbers_of(open_calls)}"
            row = [other.answer for other in settled if other.answer in UNCLEAR | {1}][-3:]
            if len(row) == 3 and 1 not in row:
                yield f"stops after three unclear calls in a row: call {call.number}"

    # The error

    def error(self, attempt, calls):
        error = attempt.error
        name = type(error).__name__ if error is not None else None
        results = Counter(outcome for outcome, _, _ in attempt.results or ())
        if attempt.report is not None:
            results = Counter({outcome.value: count for outcome, count in attempt.report.outcomes.items()})
        answers = {call.answer for call in calls}
        gravest = self.gravest(answers, results)
        if name is not None and not name.startswith("ISmart") and name not in FOREIGN_ERRORS:
            yield f"errors say what to do: {name}: {error}"
        if gravest is not None and attempt.report is not None and self.rank(name) > GRAVITY.index(gravest):
            yield (
                f"gravest error raised: {name}, but {gravest} is due (answers {sorted(map(str, answers))}, "
                f"{dict(results)})"
            )
        if name == "ISmartLoginError" and not answers & return_codes.LOGIN and calls:
            yield "gravest error raised: a login error without a refused login"
        if name == "ISmartAccountError" and not answers & return_codes.ACCOUNT:
            yield "gravest error raised: an account error without a code that says so"
        if name == "ISmartCreditError" and not answers & return_codes.CREDIT:
            yield "gravest error raised: a credit error without a code that says so"
        if (
            name is not None
            and name.startswith("ISmartUncertain")
            and attempt.report is not None
            and not results["uncertain"]
        ):
            yield "gravest error raised: an uncertain error, and nothing is uncertain"
        yield from self.left_out(attempt, calls, results["not_attempted"])

    def left_out(self, attempt, calls, count):
        """Check that a send leaves no row out silently, and returns its report."""
        if self.was_displaced(attempt):
            return
        if calls and count and attempt.is_clean and not self.may_stop(calls):
            yield f"nobody dropped: nothing stopped the send, and {count} rows were not attempted"
        if count and attempt.error is None:
            yield f"nobody dropped: success, and {count} rows were not attempted"
        if (
            calls
            and attempt.is_clean
            and attempt.report is None
            and type(attempt.error).__name__.startswith("ISmart")
        ):
            yield f"every row accounted for: an error without a report, after {len(calls)} calls: {attempt.error}"

    def was_displaced(self, attempt):
        """Return whether an abandoned earlier try still ran and could claim the SQL ledger after this one."""
        earlier = self.world.processes[: self.world.processes.index(attempt.process)]
        return self.scenario.has_sql and any(
            other.ti is attempt.ti
            and other.process in earlier
            and other.process.is_given_up
            and (other.ended is None or other.ended > attempt.began)
            for other in self.airflow.attempts
        )

    def may_stop(self, calls):
        """Return whether an answer, or another task with the ledger, justifies leaving rows out."""
        answers = [call.answer for call in calls]
        has_siblings = self.scenario.shape == "key" or (self.scenario.shape == "mapped" and self.scenario.has_sql)
        if has_siblings or sum(answer in UNCLEAR for answer in answers) > 2:
            return True
        stops = return_codes.LOGIN | return_codes.ACCOUNT | return_codes.CREDIT | OTHER_CODES | NOT_SENT
        return bool(stops & set(answers)) or (
            self.options["on_refused"] == "fail" and bool(return_codes.RECIPIENT & set(answers))
        )

    def gravest(self, answers, results):  # noqa: PLR0911  # one for each class of error
        if answers & return_codes.LOGIN:
            return "ISmartLoginError"
        if answers & return_codes.ACCOUNT:
            return "ISmartAccountError"
        if answers & return_codes.CREDIT:
            return "ISmartCreditError"
        if results["uncertain"] and self.options["on_uncertain"] != "accept":
            return "ISmartUncertainError"
        if answers & OTHER_CODES:
            return "ISmartRefusedError"
        if results["not_attempted"]:
            return "ISmartUnavailableError"
        return None

    @staticmethod
    def rank(name):
        if name == "ISmartUncertainFinalError":
            name = "ISmartUncertainError"
        if name == "ISmartInputError":
            return 0
        return GRAVITY.index(name) if name in GRAVITY else len(GRAVITY)

    # The account

    def wrong_logins(self):
        """Check that no later attempt tries a login whose refusal was reported."""
        for call in self.calls:
            if call.answer not in return_codes.LOGIN or call.attempt.ended is None or call.attempt.is_terminated:
                continue
            if type(call.attempt.error).__name__ != "ISmartLoginError":
                continue
            for other in self.calls:
                is_same = other.password == call.password and other.answer in return_codes.LOGIN
                if is_same and other.attempt.began > call.attempt.ended:
                    yield f"login tried once: call {other.number} tries what call {call.number} was refused with"
                    return

    # No secrets

    def secrets(self):
        texts = [
            *self.airflow.log_lines,
            *(str(attempt.error) for attempt in self.airflow.attempts if attempt.error),
        ]
        for text in texts:
            if "9689000" in text or "secret" in text:
                yield f"nothing secret leaks: {text}"
            if any(words in text for words in self.scenario.texts):
                yield f"nothing secret leaks: a message's text in {text}"

    # In the end

    def in_the_end(self):
        """Check that in the end everybody has the message or is named, and that nothing more is sent."""
        if not getattr(self.scenario, "finals", None) or self.scenario.may_refuse(self.airflow):
            return
        (attempts, _), (_, second_calls) = self.scenario.finals
        last = {attempt.ti: attempt for attempt in attempts}
        for ti in self.airflow.tis:
            attempt = last.get(ti)
            if attempt is None:
                yield f"a clear resumes: {ti.name} did not run"
                continue
            yield from self.final(attempt)
        # a mapped index knows its siblings' messages by their texts alone, and a send of a function skips a text
        # that is on record, which in the next try, with other texts, only counts
        has_old_texts_again = self.scenario.simplifies == "every other try"
        is_other_text = (self.scenario.shape == "mapped" and self.scenario.has_time_in_text) or (
            self.scenario.shape in {"mapped", "function"} and has_old_texts_again
        )
        if second_calls and self.options["on_uncertain"] != "resend" and not is_other_text:
            ruled_out = {
                number
                for attempt in attempts
                if attempt.settlements
                for number, word in attempt.settlements.said.items()
                if word == "not_sent"
            }
            left = {
                row[1]
                for attempt in attempts
                for row, result in zip(attempt.rows, attempt.results or (), strict=False)
                # it is tried again, or was uncertain until another task's people settled it
                if result[0] in {"refused", "not_attempted"} or (result[0] == "uncertain" and row[1] in ruled_out)
            }
            again = [call for call in second_calls if call.answer == 1 and not left & set(call.numbers)]
            if again:
                yield f"a clear of what is done sends nothing: calls {numbers_of(again)}"

    @staticmethod
    def has_planned(ti):
        """Return whether an index has recorded its plan before the run's first clear; otherwise it may refuse."""
        return any(
            attempt.is_clean and attempt.ended < ti.run.first_cleared and attempt.results is not None
            for attempt in ti.attempts
        )

    def was_elsewhere(self, number, attempt):
        """Return whether another task was trying to send to the number meanwhile; the next clear sends it."""
        return any(
            number in call.numbers
            and call.attempt is not attempt
            and call.started < attempt.ended
            and (call.answered is None or call.answered > attempt.began)
            for call in self.calls
        )

    def final(self, attempt):
        name = type(attempt.error).__name__
        if self.scenario.shape == "mapped" and not self.scenario.has_sql and not self.has_planned(attempt.ti):
            return
        passed = self.scenario.push_at is not None
        if attempt.results is None:
            if not (self.scenario.is_function or passed or name == "ISmartInputError"):
                yield f"a clear resumes: {attempt} ended with {name} and no results: {attempt.error}"
            return
        if (
            passed
            or self.is_over_cap(attempt)
            or (self.options.get("on_invalid") == "fail" and any(not row[1] for row in attempt.rows))
        ):
            return
        left = [
            row
            for row, result in zip(attempt.rows, attempt.results, strict=True)
            if result[0] == "not_attempted" and not self.was_elsewhere(row[1], attempt)
        ]
        gateway = self.airflow.gateway
        if left and not (
            gateway.bad_texts or (self.options["on_refused"] == "fail" and gateway.bad_numbers | gateway.opted_out)
        ):
            yield f"a clear resumes: {left[0][1]} is left out by {attempt}, when all trouble is over"


def numbers_of(calls):
    return ", ".join(str(call.number) for call in calls)
