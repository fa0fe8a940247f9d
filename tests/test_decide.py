"""`decide` walked through a whole campaign, without a server."""

from typing import Any

import msgspec
import pytest

from service.rounds.decide import (
    Compare,
    Encode,
    EndRound,
    Plan,
    Rerank,
    Round,
    Score,
    Seal,
    Select,
    StartRescore,
    StartRound,
    State,
    Stop,
    Sync,
    Teach,
    Train,
    decide,
    phase,
    reason,
    water,
)


def given(**changes: Any) -> State:
    """A campaign in full swing: one shard of 1,000, scored by round 1, a full queue."""
    base = State(
        sealed={0: 1000},
        encoded=frozenset({0}),
        compared=frozenset({0}),
        batches=3,
        asked=100,
        servable=150,
        labels=50,
        label_version=50,
        round=Round(1, "done", 50, frozenset({0}), frozenset({0}), ranked=True),
        scores=1,
    )
    return msgspec.structs.replace(base, **changes)


def actions(state: State) -> list[object]:
    return [action for action in decide(state) if not isinstance(action, Sync)]


def test_a_new_campaign_only_keeps_in_step_with_label_studio() -> None:
    assert decide(State()) == [Sync()]
    assert phase(State()) == "waiting for a pool"


def test_a_small_pool_is_sealed_when_its_upload_has_ended() -> None:
    assert actions(State(filling=700, uploading=True)) == []
    assert actions(State(filling=700)) == [Seal((), close=True)]


def test_encoded_shards_are_compared_one_after_the_other() -> None:
    state = given(sealed={0: 1000, 1: 1000, 2: 1000}, tests=frozenset({3}), compared=frozenset())
    every = frozenset({0, 1, 2, 3})
    assert Compare(0) in actions(state)
    assert [
        one for one in actions(msgspec.structs.replace(state, encoded=every)) if isinstance(one, Compare)
    ] == [Compare(0)]
    assert Compare(2) in actions(msgspec.structs.replace(state, encoded=every, compared=frozenset({0, 1})))
    done = msgspec.structs.replace(state, encoded=every, compared=frozenset({0, 1, 2}))
    kept = msgspec.structs.replace(state, encoded=every, compares=False)
    assert not any(isinstance(one, Compare) for given_ in (done, kept) for one in actions(given_))


def test_a_teacher_reads_each_sealed_shard_once() -> None:
    state = State(round_size=50, low_water=100, sealed={0: 10, 1: 10}, teaches=True, taught=frozenset({1}))
    assert Teach(0) in actions(state)
    assert Teach(1) not in actions(state)
    assert Teach(0) not in actions(msgspec.structs.replace(state, teaches=False))


def test_later_small_posts_gather_until_a_round_needs_them() -> None:
    assert actions(given(filling=10)) == []
    assert Seal((), close=True) in actions(given(filling=10, changes=50))
    assert Seal((), close=True) in actions(given(filling=10, exhausted=True))


def test_full_shards_are_sealed_while_the_upload_goes_on() -> None:
    assert actions(given(uploading=True, full=frozenset({1, 2}))) == [Seal((1, 2))]


def test_a_test_set_is_sealed_at_once() -> None:
    assert actions(given(filling_tests=5)) == [Seal((), close=True)]


def test_the_first_tasks_are_random_and_need_no_model() -> None:
    state = State(sealed={0: 1000})
    assert actions(state) == [Encode(0), Select(1, 125, "random")]


def test_the_first_chosen_batch_is_for_coverage() -> None:
    state = State(sealed={0: 1000}, encoded=frozenset({0}), batches=1, asked=125, servable=50)
    assert actions(state) == [Compare(0), Rerank(0), Select(2, 100 + 25 - 50, "coverage")]


def test_coverage_waits_for_no_more_than_its_sample() -> None:
    big = State(sealed={0: 65_536, 1: 65_536}, encoded=frozenset({0}), batches=1)
    assert Select(2, 125, "coverage") in actions(big)
    small = State(sealed={0: 5_000, 1: 65_536}, encoded=frozenset({0}), batches=1)
    assert Select(2, 125, "random") in actions(small)


def test_a_refill_uses_the_newest_scores_even_while_a_round_is_trained() -> None:
    state = given(servable=10, round=Round(2, "training", 90), scores=1)
    assert actions(state) == [Train(2), Select(4, 115, "strategy", 1)]


def test_quick_annotators_raise_the_low_water_mark() -> None:
    assert water(given(pace=0.5)) == 100
    assert water(given(pace=5.0)) == 300
    assert actions(given(servable=120, pace=5.0)) == [Select(4, 300 + 25 - 120, "strategy", 1)]


def test_a_round_starts_at_round_size_and_not_before() -> None:
    assert actions(given(changes=49)) == []
    assert actions(given(changes=50, label_version=100)) == [StartRound(2, 100, (0,))]


def test_a_round_that_was_asked_for_starts_with_what_labels_are_new_and_once() -> None:
    asked = given(changes=3, label_version=53, train_from=53)
    assert actions(asked) == [StartRound(2, 53, (0,))]
    assert Seal((), close=True) in actions(msgspec.structs.replace(asked, filling=10))
    assert actions(msgspec.structs.replace(asked, changes=0)) == []
    running = msgspec.structs.replace(asked, round=Round(2, "training", 53), changes=0)
    assert actions(running) == [Train(2)]
    # The next few labels are none that somebody asked about, whether the round has ended well or not.
    for state in ("done", "failed"):
        later = Round(2, state, 53, ranked=True)
        assert actions(msgspec.structs.replace(running, round=later, changes=4, label_version=57)) == []
    assert actions(given(round=None, scores=None, strategy="random", changes=3, train_from=50)) == [
        StartRound(1, 50, (0,))
    ]


def test_a_round_waits_for_the_test_set_and_for_something_to_train_on() -> None:
    assert StartRound(2, 50, (0,)) not in actions(given(changes=50, tests=frozenset({1})))
    assert actions(given(changes=50, labels=0)) == []
    assert actions(given(changes=50, encoded=frozenset())) == [Encode(0)]


def test_a_round_goes_from_training_to_scores_to_an_ordered_queue() -> None:
    assert actions(given(round=Round(2, "training", 90), changes=70)) == [Train(2)]
    scoring = Round(2, "scoring", 90, frozenset({0, 1}), frozenset({0}))
    assert actions(given(round=scoring)) == [Score(2, 1)]
    all_scored = Round(2, "scoring", 90, frozenset({0}), frozenset({0}))
    assert actions(given(round=all_scored)) == [EndRound(2)]
    assert actions(given(round=Round(2, "done", 90), scores=2)) == [Rerank(2)]


def test_a_failed_round_is_followed_by_another_only_with_new_labels() -> None:
    failed = Round(2, "failed", 90)
    assert actions(given(round=failed, changes=10)) == []
    assert actions(given(round=failed, changes=50, label_version=140)) == [StartRound(3, 140, (0,))]


def test_another_adapter_that_becomes_active_scores_the_pool_in_a_round_of_its_own() -> None:
    second = Round(2, "done", 90, frozenset({0}), frozenset({0}), ranked=True, scorer=2)
    assert actions(given(round=second, scores=2, scorer=2, active=2)) == []
    named = given(round=second, scores=2, scorer=2, active=1)
    assert actions(named) == [StartRescore(3, 1, (0,))]
    due = msgspec.structs.replace(named, changes=50, label_version=100)
    assert actions(due) == [StartRound(3, 100, (0,))]
    for state, action in (("training", Train(3)), ("planning", Plan(3)), ("scoring", Score(3, 0))):
        third = Round(3, state, 90, frozenset({0}), scorer=1)
        assert actions(msgspec.structs.replace(named, round=third)) == [action]
    done = msgspec.structs.replace(second, number=3, scorer=1)
    assert actions(given(round=done, scores=3, scorer=1, active=1)) == []
    assert actions(given(round=done, scores=3, scorer=1, active=2)) == [StartRescore(4, 2, (0,))]


def test_an_adapter_that_fails_to_score_the_pool_is_tried_again_only_with_new_labels() -> None:
    failed = Round(3, "failed", 90, scorer=1)
    named = given(round=failed, scores=2, scorer=2, active=1)
    assert actions(named) == []
    assert actions(msgspec.structs.replace(named, changes=50)) == [StartRound(4, 50, (0,))]
    assert actions(msgspec.structs.replace(named, active=3)) == [StartRescore(4, 3, (0,))]


def test_the_budget_limits_what_is_asked() -> None:
    assert actions(given(servable=50, barred=40, budget=104)) == [Select(4, 4, "strategy", 1)]
    assert actions(given(servable=10, budget=104)) == [Select(4, 4, "strategy", 1)]
    assert actions(given(servable=10, budget=100)) == []
    assert actions(given(servable=10, budget=80)) == []


@pytest.mark.parametrize("end", [{"budget": 100}, {"exhausted": True}, {"paused": True}])
def test_the_partial_round_is_trained_at_the_end(end: dict[str, Any]) -> None:
    start = StartRound(2, 70, (0,))
    state = given(changes=20, label_version=70, **end)
    assert start not in actions(state)
    assert start in actions(msgspec.structs.replace(state, servable=0))
    assert start in actions(msgspec.structs.replace(state, idle_s=31.0))
    assert start not in actions(msgspec.structs.replace(state, servable=0, changes=0))


def test_pause_stops_refills_and_nothing_else() -> None:
    assert actions(given(paused=True, servable=0)) == []
    assert phase(given(paused=True)) == "paused"


def test_phases_at_the_end() -> None:
    assert phase(given(budget=100, servable=5)) == "labeling"
    assert phase(given(budget=100, servable=1, barred=1)) == "labeling"
    assert phase(given(budget=100, servable=0)) == "budget reached"
    assert phase(given(exhausted=True, servable=0)) == "pool used up"


def test_the_random_strategy_needs_no_scores() -> None:
    assert actions(given(strategy="random", servable=10)) == [Select(4, 115, "random", 1)]


class Simulation:
    """The store and the workers, as plain as can be: actions come true in the order they were asked for."""

    def __init__(self, pool: int, budget: int | None) -> None:
        self.pool, self.state = pool, State(filling=pool, budget=budget)
        self.log: list[object] = []
        self.keys: set[object] = set()

    def turn(self) -> None:
        for action in decide(self.state):
            key = action.batch if isinstance(action, Select) else action
            if isinstance(action, Sync) or (type(action), key) in self.keys:
                continue
            self.keys.add((type(action), key))
            self.log.append(action)
            self._do(action)

    def _set(self, **changes: Any) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)

    def _do(self, action: object) -> None:
        match action:
            case Seal():
                self._set(filling=0, sealed={0: self.pool})
            case Encode(shard):
                self._set(encoded=self.state.encoded | {shard})
            case Select(batch, count):
                found = min(count, self.pool - self.state.asked)
                self._set(
                    batches=batch,
                    asked=self.state.asked + found,
                    servable=self.state.servable + found,
                    exhausted=found < count,
                )
            case StartRound(number, version, shards):
                self._set(round=Round(number, "scoring", version, frozenset(shards)), changes=0)
            case Score(_, shard):
                assert self.state.round is not None
                self._set(round=msgspec.structs.replace(self.state.round, scored=frozenset({shard})))
            case EndRound(number):
                assert self.state.round is not None
                self._set(round=msgspec.structs.replace(self.state.round, state="done"), scores=number)
            case Rerank(number) if number:
                assert self.state.round is not None
                self._set(round=msgspec.structs.replace(self.state.round, ranked=True))

    def answer(self) -> bool:
        if not self.state.servable:
            return False
        state = self.state
        self._set(
            servable=state.servable - 1,
            labels=state.labels + 1,
            label_version=state.label_version + 1,
            changes=state.changes + 1,
        )
        return True


@pytest.mark.parametrize(("pool", "budget", "answers"), [(1000, 237, 237), (130, None, 130)])
def test_a_whole_campaign(pool: int, budget: int | None, answers: int) -> None:
    world = Simulation(pool, budget)
    for _ in range(5):
        world.turn()
    given_answers = 0
    while world.answer():
        given_answers += 1
        world.turn()
        world.turn()
    for _ in range(6):
        world.turn()
    assert given_answers == answers
    started = [action for action in world.log if isinstance(action, StartRound)]
    assert [one.label_version for one in started] == [
        *range(50, answers + 1, 50),
        *([answers] if answers % 50 else []),
    ]
    assert world.state.round is not None
    assert world.state.round.ranked
    assert phase(world.state) == ("budget reached" if budget else "pool used up")


def test_a_budget_is_of_answers_and_an_example_costs_as_many_as_overlap() -> None:
    sealed = State(sealed={0: 100}, encoded=frozenset({0}), budget=10, asked=2, overlap=3, batches=1)
    (asked,) = [action for action in decide(sealed) if isinstance(action, Select)]
    assert asked.count == 2
    short = msgspec.structs.replace(sealed, asked=8)
    assert [action for action in decide(short) if isinstance(action, Select)] == []
    assert phase(short) == "budget reached"


def test_whichever_budget_ends_first_ends_the_asking() -> None:
    for ends in ({"paid_hours": 104}, {"paid_money": 104, "budget": 900}, {"budget": 104, "paid_hours": 900}):
        assert actions(given(servable=10, **ends)) == [Select(4, 4, "strategy", 1)]
    over = given(servable=10, budget=900, paid_hours=99)
    assert actions(over) == []
    assert (phase(over), reason(over)) == ("labeling", "the budget of hours is used up")
    assert phase(msgspec.structs.replace(over, servable=0)) == "budget reached"
    assert reason(given(budget=100, paid_money=90)) == "the budget of answers and of money is used up"
    assert reason(given(budget=101)) is None
    assert reason(given(budget=100, paused=True)) is None
    # The partial round is trained, as at the end of any budget.
    assert StartRound(2, 70, (0,)) in actions(given(changes=20, label_version=70, servable=0, paid_money=100))


def test_advice_stops_nothing_unless_it_is_heeded_and_held() -> None:
    assert actions(given(servable=10, advised=(9, 8, 7, 6))) == [Select(4, 115, "strategy", 1)]
    assert actions(given(servable=10, advised=(3, 2), heeds=True)) == [Select(4, 115, "strategy", 1)]
    held = given(servable=10, advised=(4, 3, 2), heeds=True)
    assert actions(held) == [Stop(4)]
    done = msgspec.structs.replace(held, stopped=True, advised=())
    assert actions(done) == []
    assert phase(done) == "labeling"
    assert phase(msgspec.structs.replace(done, servable=0)) == "stopped as advised"
    assert reason(done) == "3 rounds in a row advised to stop; stop_at_advice off lets it go on"
    last = msgspec.structs.replace(done, servable=0, changes=20, label_version=70)
    assert actions(last) == [StartRound(2, 70, (0,))]
