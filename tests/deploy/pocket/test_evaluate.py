"""The exam sat over HTTP, by a server that knows all answers and one that knows none."""

import json
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from deploy.pocket.evaluate import MOE, MOE_THINKING, evaluate
from deploy.pocket.exam import Row, questions

COUNT, SEED = 16, 3


@asynccontextmanager
async def serving(answer):
    async def chat(request):
        body = await request.json()
        seen.append((request.headers.get("Authorization"), body))
        message = answer(body)
        if not body["stream"]:
            return web.json_response({"choices": [{"message": message}]})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for delta in _deltas(message):
            event = json.dumps({"choices": [{"delta": delta}]}, ensure_ascii=False)
            await response.write(f"data: {event}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    seen = []
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    async with TestServer(app) as server:
        yield str(server.make_url("")), seen


async def test_who_knows_all_passes_where_it_should():
    known = {}
    for row in Row:
        for question in questions(row, COUNT, SEED):
            known[_key(question.messages, question.tools)] = question

    def answer(body):
        question = known[_key(body["messages"], body.get("tools", ()))]
        thinking = body["chat_template_kwargs"]["enable_thinking"]
        if question.call:
            arguments = json.dumps(question.call["arguments"])
            call = {"name": question.call["name"], "arguments": arguments}
            return {"content": None, "tool_calls": [{"index": 0, "function": call}]}
        if question.row is Row.HARD and not thinking:
            return {"content": "1"}
        return {"reasoning_content": "hm", "content": question.text or str(question.number)}

    async with serving(answer) as (url, seen):
        report = await evaluate(url, "secret", COUNT, SEED, columns=(MOE, MOE_THINKING))
    assert report.passed
    assert not report.wrong
    assert {key for key, _ in seen} == {"Bearer secret"}
    assert len(seen) == len(Row) * 2 * COUNT * 2
    assert all(cell["passed"] for cell in json.loads(report.to_json())["cells"])
    Console(file=None, quiet=True).print(report.table())


async def test_who_knows_nothing_fails():
    async with serving(lambda _: {"content": "no idea"}) as (url, _):
        report = await evaluate(url, None, COUNT, SEED, columns=(MOE,))
    verdicts = {cell.row: cell.passed for cell in report.cells}
    assert verdicts == {Row.EASY: False, Row.HARD: True, Row.TOOL: False}
    assert not report.passed
    assert len(report.wrong) == 2 * 2 * COUNT


async def test_an_unreachable_server_is_an_error_not_a_crash():
    report = await evaluate("http://127.0.0.1:9", None, 8, rows=(Row.EASY,), columns=(MOE,))
    assert {answer.reply.error != "" for answer in report.wrong} == {True}


def _key(messages, tools):
    return json.dumps([list(messages), list(tools)], ensure_ascii=False)


def _deltas(message):
    if message.get("tool_calls"):
        call = message["tool_calls"][0]
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        yield {"tool_calls": [{"index": 0, "function": {"name": name, "arguments": ""}}]}
        for part in (arguments[:5], arguments[5:]):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}
        return
    yield {"role": "assistant", "content": ""}
    if "reasoning_content" in message:
        yield {"reasoning_content": message["reasoning_content"]}
    for letter in message["content"]:
        yield {"content": letter}
