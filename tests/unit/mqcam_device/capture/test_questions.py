from __future__ import annotations

import asyncio

import pytest
from mqcam.errors import SourceError
from mqcam_device.capture import wire
from mqcam_device.capture.questions import MOST, Questions

LONG_S = 20.0


def asked(questions: Questions, verb: str) -> asyncio.Task[dict[str, object]]:
    return asyncio.create_task(questions.ask(verb, {"a": 1}, LONG_S), name=verb)


async def test_each_answer_reaches_whoever_asked() -> None:
    sent: list[wire.Message] = []
    questions = Questions(sent.append)
    first, second = asked(questions, "one"), asked(questions, "two")
    await asyncio.sleep(0)
    assert sent == [
        wire.Ask(number=1, verb="one", args={"a": 1}, within_s=LONG_S),
        wire.Ask(number=2, verb="two", args={"a": 1}, within_s=LONG_S),
    ]
    questions.take(wire.Reply(number=2, result={"b": 2}))
    questions.take(wire.Reply(number=1, result={"b": 1}))
    assert (await first, await second) == ({"b": 1}, {"b": 2})


@pytest.mark.parametrize(
    "sentence", ["/dev/video0: is busy: close the other program", "it refused"]
)
async def test_the_childs_sentence_comes_as_it_was(sentence: str) -> None:
    questions = Questions(lambda _message: None)
    task = asked(questions, "one")
    await asyncio.sleep(0)
    questions.take(wire.Reply(number=1, result={}, error=sentence))
    with pytest.raises(SourceError) as raised:
        await task
    assert str(raised.value) in {sentence, f"camera: {sentence}"}


async def test_an_answer_that_does_not_come_is_told_and_a_late_one_ignored() -> None:
    questions = Questions(lambda _message: None)
    with pytest.raises(SourceError, match=r"camera: did not answer within 0\.01 s"):
        await questions.ask("one", {}, 0.01)
    questions.take(wire.Reply(number=1, result={}))


async def test_too_many_questions_at_once_are_refused() -> None:
    questions = Questions(lambda _message: None)
    tasks = [asked(questions, str(number)) for number in range(MOST)]
    await asyncio.sleep(0)
    with pytest.raises(SourceError, match="8 questions wait"):
        await questions.ask("one more", {}, LONG_S)
    questions.fail("is gone")
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(end) for end in ends] == ["camera: is gone"] * MOST


async def test_questions_that_were_answered_make_room() -> None:
    questions = Questions(lambda _message: None)
    for number in range(1, 3 * MOST):
        task = asked(questions, "one")
        await asyncio.sleep(0)
        questions.take(wire.Reply(number=number, result={}))
        assert await task == {}
