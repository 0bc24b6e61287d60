"""Choose by seed the task, its ledger and options, its people, and the faults of its history."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from tests.simulation.gateway import ACCOUNT, BAD_REQUEST, CREDIT, FAULTS, FORBIDDEN, GOOD_PASSWORD, LOGIN, Gateway
from tests.simulation.scheduler import Run, TaskInstance
from tests.simulation.stores import StorageFaults, TaskStateStore

EPOCH = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
TEXTS = ("Water is off today.", "Your bill is 12.500.", "Meter reading due.", "Thank you for paying.")
MUSCAT = ZoneInfo("Asia/Muscat")
#: Cells that are nobody's number.
NO_NUMBERS = ("", "hello", "12", "9689000")

#: Templates by language, where a scenario has them: a row has its text in the column of its language alone.
MESSAGE = {"ar": "{arabic}", "English": "{english}", "default": "{other}"}
#: Cells of a language, each with the column that its template reads.
LANGUAGES = (("ar-OM", "arabic"), (" EN", "english"), ("fr", "other"))

#: Faults of the gateway that each end a send.
STOPS = (FORBIDDEN, ACCOUNT, CREDIT, LOGIN, BAD_REQUEST)

#: What tasks there are, and how often.
SHAPES = {"task": 9, "mapped": 5, "key": 3, "function": 3}
#: Where the ledger is, and how often.
LEDGERS = {"store": 12, "sql": 2, "sql and store": 2, "none": 1}


class Scenario:
    """The choices of one history, made only with its random numbers."""

    def __init__(self, world):
        self.world = world
        dice = self.dice = world.random
        self.shape = chosen(dice, SHAPES)
        self.ledger = chosen(dice, LEDGERS)
        if self.shape == "key":
            self.ledger = dice.choice(["sql", "sql and store"])
        self.is_function = self.shape == "function"
        #: Whether a function that sends in a loop goes on after an error, and fails at its end.
        self.sends_every_chunk = self.is_function and dice.random() < 0.5
        #: Whether a text has something of its try in it, such as the time of day.
        self.has_time_in_text = dice.random() < 0.15
        self.has_store = "store" in self.ledger
        self.has_sql = "sql" in self.ledger
        self.max_concurrency = dice.choice([1, 2, 2, 3, 4])
        self.retries = dice.choice([0, 1, 2, 3])
        self.options = {
            "batch_size": dice.choice([1, 2, 3, 4, 6]),
            "on_uncertain": dice.choice(["fail", "fail", "fail", "resend", "accept"]),
            "on_refused": dice.choice(["isolate", "isolate", "isolate", "skip", "fail"]),
            "deduplicate": dice.random() < 0.8,
        }
        if dice.random() < 0.1:
            self.options["on_invalid"] = "fail"
        self._draw_quiet_hours(Random(f"quiet hours {world.seed}"))  # as this changes no other choice
        self.push_at = None
        if not self.is_function and dice.random() < 0.12:
            self.seconds_until_push_at = dice.uniform(1, 40)
            self.push_at = self.epoch + timedelta(seconds=self.seconds_until_push_at)
            self.options["push_at"] = self.push_at.isoformat()
        self.numbers = [
            f"9689000{number:04}" for number in dice.sample(range(10_000), dice.choice([3, 6, 12, 24]))
        ]
        self.texts = TEXTS[: dice.choice([1, 1, 2, 4])]
        #: Which tries simplify their texts. It has dice of its own, so that the other choices stay as they are.
        self.simplifies = Random(f"simplified {self.numbers[0]}").choice(
            [None] * 4 + ["each try", "every other try"]
        )
        #: Whether the input changes between the tries of one generation, as a query's result does.
        self.is_query = not self.is_function and dice.random() < 0.2
        #: How likely a process is to be killed, to lose its heartbeat, to run out of time.
        self.kill_chance = dice.choice([0, 0, 0.3, 0.6])
        self.zombie_chance = dice.choice([0, 0, 0.4])
        self.time_out_chance = dice.choice([0, 0, 0, 0.2])
        self.user_actions = dice.choice([0, 1, 1, 2, 3])
        #: Whether some indexes of a mapped task start late, so that lists change before those have a record.
        self.has_late_indexes = self.shape == "mapped" and dice.random() < 0.3
        #: Whether the task sends for so long that it is retried while its first try still sends.
        self.is_long = self.shape in {"task", "key"} and dice.random() < 0.08
        if self.is_long:
            self.retries = max(1, self.retries)
            self.zombie_chance = 0.8
            self.max_concurrency = 1
            self.options["batch_size"] = 1
            self.options["deduplicate"] = True
            self.ledger = dice.choice(["store", "sql", "sql and store"]) if self.shape == "task" else self.ledger
            self.has_store, self.has_sql = "store" in self.ledger, "sql" in self.ledger
            self.numbers = [f"9689000{number:04}" for number in dice.sample(range(10_000), 24)]
        #: Whether there is a template for each language; from dice of its own, as this changes no other choice.
        self.has_languages = Random(self.numbers[0]).random() < 0.25
        self._draw_guards()
        world.count("quiet hours", "about now" if self.quiet_hours else "none")
        world.count("shape", self.shape)
        world.count("option", "message by language" if self.has_languages else "message_column")
        world.count("simplified in", self.simplifies or "no try")
        world.count("ledger kept in", self.ledger)
        world.count("connection", "restricted" if self.allowed_numbers else "reaches every number")
        for option, value in self.options.items():
            world.count("option", option if option in {"push_at", "exclude"} else f"{option}={value}")

    def _draw_guards(self):
        """Draw who is excluded and what a send may cost, from separate random numbers."""
        guards = Random(f"guards {self.numbers[0]}")
        some = lambda chance: [number for number in self.numbers if guards.random() < chance]  # noqa: E731
        self.allowed_numbers = (some(0.8) or self.numbers[:1]) if guards.random() < 0.1 else None
        if guards.random() < 0.15:
            self.options["exclude"] = some(0.3)
        if guards.random() < 0.12:
            self.options["max_credits"] = guards.choice([0, 3, 8, 20])

    def is_excluded(self, number):
        """Return whether a number must get no message."""
        is_allowed = self.allowed_numbers is None or number in self.allowed_numbers
        return number in self.options.get("exclude", ()) or not is_allowed

    def _draw_quiet_hours(self, dice):
        """Draw, sometimes, quiet hours that start or end soon, and the start of the history's clock."""
        self.quiet_hours, self.epoch = None, EPOCH
        if dice.random() > 0.3:
            return
        self.epoch += timedelta(seconds=dice.uniform(0, 60))
        start = self.epoch + timedelta(minutes=dice.choice([-400, -2, 0, 1, 1, 1, 2, 3]))
        end = start + timedelta(minutes=dice.choice([1, 1, 2, 3, 399, 400, 401, 1437]))
        self.quiet_hours = "-".join(f"{time.astimezone(MUSCAT):%H:%M}" for time in (start, end))

    def describe(self):
        return (
            f"{self.shape}, ledger: {self.ledger}, retries: {self.retries}, max_concurrency: "
            f"{self.max_concurrency}, allowed_numbers: {self.allowed_numbers}, "
            f"quiet hours: {self.quiet_hours} from {self.now():%M:%S}, {self.options}"
        )

    def table_of(self, rows):
        """Return rows as a send gets them: their columns, and the options for their texts."""
        numbers, texts = [row[0] for row in rows], [row[2] for row in rows]
        if not self.has_languages:
            return {"msisdn": numbers, "text": texts}, {"message_column": "text"}
        languages = [LANGUAGES[len(text) % len(LANGUAGES)] for text in texts]
        table = {"msisdn": numbers, "lang": [cell for cell, _ in languages]}
        for _, column in LANGUAGES:
            table[column] = [
                text if own == column else None for text, (_, own) in zip(texts, languages, strict=True)
            ]
        return table, {"message": MESSAGE, "language_column": "lang"}

    # The parts of the world

    def gateway(self):
        dice = self.dice
        faults = {}
        for fault in dice.sample(FAULTS, dice.choice([0, 1, 1, 2, 3])):
            start = dice.choice([0, 0, dice.uniform(0, 5)])
            end = dice.choice([1e9, start + dice.uniform(0.3, 15)])
            faults[fault] = (dice.choice([0.05, 0.15, 0.4, 1.0]), start, end)
        if dice.random() < 0.1:  # several reasons to stop, in flight at the same time
            start = dice.uniform(0.3, 1.5)
            faults = dict.fromkeys(dice.sample(STOPS, 2), (0.4, start, 1000000000.0))
            self.max_concurrency = max(self.max_concurrency, 3)
        some = lambda chance: {number for number in self.numbers if dice.random() < chance}  # noqa: E731
        return Gateway(
            self.world,
            faults=faults,
            bad_numbers=some(0.1) if dice.random() < 0.3 else set(),
            opted_out=some(0.1) if dice.random() < 0.15 else set(),
            bad_texts={dice.choice(self.texts): dice.choice([6, 10, 16])} if dice.random() < 0.06 else {},
            credit=dice.randint(0, 20) if dice.random() < 0.12 else None,
        )

    def storage_faults(self):
        return StorageFaults(self.world, self.dice.choice([0, 0, 0, 0.03, 0.15]))

    def now(self):
        return self.epoch + timedelta(seconds=self.world.now)

    def rows(self, count=None):
        """Return rows: (as written, the number or "", the text)."""
        dice = self.dice
        if count is None:
            count = 30 if self.is_long else dice.choice([0, 1, 2, 5, 8, 12, 30])
        return [self.row() for _ in range(count)]

    def row(self):
        dice = self.dice
        number = dice.choice(self.numbers) if dice.random() < 0.96 else ""
        return (number or dice.choice(NO_NUMBERS), number, dice.choice(self.texts))

    def changed(self, rows):
        """Return the rows after a change of the input."""
        dice, rows = self.dice, list(rows)
        for _ in range(dice.choice([1, 1, 2, 4])):
            change = dice.choice(["add", "remove", "text", "shuffle"])
            if change == "add":
                rows.insert(dice.randint(0, len(rows)), self.row())
            elif rows and change == "remove":
                rows.pop(dice.randrange(len(rows)))
            elif rows and change == "text":
                at = dice.randrange(len(rows))
                rows[at] = (*rows[at][:2], dice.choice(TEXTS))
            else:
                dice.shuffle(rows)
        return rows

    def changed_lists(self, lists):
        """Return the lists of a mapped task after its upstream has run again."""
        dice = self.dice
        lists = [list(rows) for rows in lists]
        change = dice.choice(
            ["same", "reorder", "reorder", "grow", "grow in front", "shrink", "split anew", "within"]
        )
        self.world.count("mapped", f"upstream: {change}")
        if change == "reorder":
            dice.shuffle(lists)
        elif change == "grow":
            lists.append(self.rows(3))
        elif change == "grow in front":
            lists.insert(0, self.rows(3))
        elif change == "shrink" and len(lists) > 1:
            lists.pop(dice.randrange(len(lists)))
        elif change == "split anew":
            every = [row for rows in lists for row in rows]
            size = dice.randint(1, 6)
            lists = [every[start : start + size] for start in range(0, len(every), size)] or [[]]
        elif change == "within":
            at = dice.randrange(len(lists))
            lists[at] = self.changed(lists[at])
        return lists[:8]

    def populate(self, airflow):
        """Create the runs and their task instances, and start them."""
        dice = self.dice
        if self.shape == "mapped":
            run = Run("run", [self.rows(dice.choice([1, 2, 3, 5])) for _ in range(dice.choice([1, 2, 3, 4]))],
                      is_mapped=True)  # fmt: skip
            airflow.runs.append(run)
            self.expand(airflow, run)
        elif self.shape == "key":
            everybody = self.rows()
            for number in range(dice.choice([2, 2, 3])):
                rows = [row for row in everybody if dice.random() < 0.8] + self.rows(dice.choice([0, 0, 2]))
                self._single(airflow, f"run{number}", rows, key="bills")
        else:
            self._single(airflow, "run", self.rows())
        for ti in airflow.tis:
            is_late = self.has_late_indexes and ti.map_index > 0 and dice.random() < 0.5
            airflow.schedule(ti, dice.uniform(3, 20) if is_late else dice.choice([0.0, 0.0, dice.uniform(0, 6)]))

    def _single(self, airflow, run_id, rows, key=None):
        run = Run(run_id, [rows], is_mapped=False)
        run.tis.append(self._task_instance(airflow, run, -1, key))
        airflow.runs.append(run)

    def _task_instance(self, airflow, run, map_index, key=None):
        store = TaskStateStore(self.world, airflow.store_faults) if self.has_store else None
        return TaskInstance(airflow, run, "send", map_index, store, self.retries, key)

    def expand(self, airflow, run):
        """Create missing task instances of a mapped task."""
        have = {ti.map_index for ti in run.tis}
        for index in range(len(run.lists)):
            if index not in have:
                ti = airflow.removed.pop((run.run_id, index), None) or self._task_instance(airflow, run, index)
                run.tis.append(ti)

    def sends_of(self, ti):
        """Return (rows, options) of each send of a try."""
        rows = ti.rows
        if self.has_time_in_text:
            rows = [(written, number, f"{text} ({ti.try_number})") for written, number, text in rows]
        elif self.is_query and ti.try_number > 1 and self.dice.random() < 0.5:
            rows = self.changed(rows)
            ti.run.lists = [rows if position == max(ti.map_index, 0) else others
                            for position, others in enumerate(ti.run.lists)]  # fmt: skip
        options = self.options
        if self.simplifies:
            rows = [(written, number, f"{text} – It’s here…") for written, number, text in rows]
            options = {**options, "simplify_text": self.simplifies == "each try" or ti.try_number % 2 == 0}
        if self.is_function:
            size = max(1, self.function_chunk)
            return [(rows[at : at + size], options) for at in range(0, len(rows), size)] or [([], options)]
        return [(rows, options)]

    @staticmethod
    def as_sent(rows, options):
        """Return the rows with the texts that recipients get."""
        if not options.get("simplify_text"):
            return rows
        return [
            (written, number, text.replace(" – It’s here…", " - It's here...")) for written, number, text in rows
        ]

    @property
    def function_chunk(self):
        return len(self.numbers) // 2

    def haunt(self, process):
        """Choose the faults of a process."""
        dice = self.dice
        if self.is_healed:
            return
        if dice.random() < self.kill_chance:
            process.dies_at = int(dice.expovariate(1 / 15)) + 1
        if dice.random() < self.zombie_chance:
            self.world.at(dice.uniform(0.1, 4), lambda: self._lose(process))
        if dice.random() < self.time_out_chance:
            self.world.at(dice.uniform(0.1, 4), lambda: self._time_out(process))

    is_healed = was_query = is_ledger_lost = False

    def _lose(self, process):
        ti = self._ti_of(process)
        if ti is not None:
            self.airflow.lose(ti, freeze=self.dice.choice([0, 0, self.dice.uniform(0.5, 15)]))

    def _time_out(self, process):
        ti = self._ti_of(process)
        if ti is not None:
            self.airflow.time_out(ti)

    def _ti_of(self, process):
        return next((ti for ti in self.airflow.tis if ti.process is process), None)

    # What people do

    def act(self):
        """Do one of the things that people do to a run, the account, or the database."""
        if self.shape == "mapped" and self.dice.random() < (0.8 if self.has_late_indexes else 0.4):
            self._clear_all(self.airflow.runs[0])
            return
        action, chance = self.dice.choice(
            [
                (self._clear_some, 1.0),
                (self._clear_some, 1.0),
                (self._clear_all, 1.0),
                (self._clear_all, 1.0),
                (self._mark, 1.0),
                (self._change_password, 0.4),
                (self._correct_password, 1.0),
                (self._buy_credit, 1.0),
                (self._begin_outage, 0.5),
                (self._lose_ledger, 1.0),
                (self._change_input, 1.0),
            ]
        )
        if self.dice.random() < chance:
            action(self.dice.choice(self.airflow.runs))

    def _did(self, who, what):
        self.world.note(who, what)
        self.world.count("people", what)

    def _clear_some(self, run):
        self.airflow.clear(run, [ti for ti in run.tis if self.dice.random() < 0.6] or run.tis[:1])

    def _clear_all(self, run):
        self.airflow.clear(run, list(run.tis), lists=self._new_lists(run))

    def _mark(self, run):
        running = [ti for ti in run.tis if ti.process is not None]
        if running:
            self.airflow.mark(self.dice.choice(running), self.dice.choice(["failed", "success"]))

    def _change_password(self, _run):
        self.airflow.gateway.password = "another-secret"
        self._did("infocomm", "the gateway's password changes")

    def _correct_password(self, _run):
        if self.airflow.password != self.airflow.gateway.password:
            self.airflow.password = self.airflow.gateway.password
            self._did("people", "the connection's password is corrected")

    def _buy_credit(self, _run):
        if self.airflow.gateway.credit is not None:
            self.airflow.gateway.credit += 15
            self._did("infocomm", "there is credit again")

    def _begin_outage(self, _run):
        faults = self.dice.choice([self.airflow.store_faults, self.airflow.database_faults])
        faults.outage = (self.world.now, self.world.now + self.dice.uniform(0.5, 20))
        self._did("database", "an outage begins")

    def _lose_ledger(self, _run):
        if self.ledger == "sql and store" and self.shape in {"task", "function"}:
            self.airflow.database.lose()
            for process in self.world.processes:
                if process.attempt is not None:
                    process.attempt.had_trouble = True
            self.is_ledger_lost = True
            self._did("database", "everything in the ledger is lost")

    def _change_input(self, run):
        if not run.is_mapped:
            run.lists = [self.changed(run.lists[0])]
            run.generation += 1
            self._did("people", "the input has changed")

    def _new_lists(self, run):
        dice = self.dice
        if dice.random() < 0.5:
            return None
        return self.changed_lists(run.lists) if run.is_mapped else [self.changed(run.lists[0])]

    def may_refuse(self, airflow):
        """Return whether a later try may refuse to send, because it cannot know what earlier tries did."""
        is_shifted = self.shape == "mapped" and (airflow.runs[0].generation > 0 or self.was_query)
        return self.ledger == "none" or self.is_ledger_lost or (is_shifted and not self.has_sql)

    def heal(self):
        """End all faults, so that the last tries have none."""
        self.is_healed = True
        self.is_query, self.was_query = False, self.is_query or self.was_query
        airflow = self.airflow
        airflow.gateway.heal()
        airflow.password = GOOD_PASSWORD
        for name in [name for name in airflow.variables.values if name.startswith("ismart_login_")]:
            del airflow.variables.values[name]
        for faults in (airflow.store_faults, airflow.database_faults):
            faults.chance = 0
            faults.outage = (0.0, 0.0)


def chosen(dice, weights):
    return dice.choices(list(weights), list(weights.values()))[0]
