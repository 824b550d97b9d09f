"""MCP servers that start fast and can do wrong: the protocol by hand, with what a test lets them answer."""

import asyncio
import json
import socket

from insideLLMs.core.types import Message, Request, ToolCall
from insideLLMs.providers.mcp.model import McpModel
from support.local_server import LocalServer, QuietHandler
from support.processes import PYTHON

READ_ONLY = {"readOnlyHint": True}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORECAST = {"name": "forecast", "description": "Say how warm it is.", "inputSchema": CITY, "annotations": READ_ONLY}

_SERVER = """
import json, os, sys, time

TOOLS = json.loads(%r)
PAGE = %d


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\\n")
    sys.stdout.flush()


def text(said, **others):
    return {"content": [{"type": "text", "text": said}], **others}


class Refused(Exception):
    pass


def answer(name, arguments):
    return text("ok")


def listed(cursor):
    at = int(cursor or 0)
    page = TOOLS[at : at + PAGE]
    return {"tools": page, **({"nextCursor": str(at + PAGE)} if at + PAGE < len(TOOLS) else {})}


def closed():
    pass

%s

open("starts", "a").write("x")
for line in sys.stdin:
    call = json.loads(line)
    if "id" not in call:
        continue
    given = call.get("params", {})
    try:
        if call["method"] == "initialize":
            info = {"name": "fake", "version": "1"}
            result = {"protocolVersion": given["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
        elif call["method"] == "tools/list":
            result = listed(given.get("cursor"))
        elif call["method"] == "tools/call":
            result = answer(given["name"], given.get("arguments", {}))
        else:
            raise Refused(-32601, "Method not found")
        send({"id": call["id"], "result": result})
    except Refused as error:
        send({"id": call["id"], "error": {"code": error.args[0], "message": error.args[1]}})
closed()
"""


def write_server(folder, code="", *, tools=(FORECAST,), page=100):
    """Write ``server.py``; `code` may define another `answer`, `listed` and `closed`, and raise `Refused`."""
    (folder / "server.py").write_text(_SERVER % (json.dumps(list(tools)), page, code))
    return folder


def starts(folder):
    """Count how often the server was started."""
    return len((folder / "starts").read_text())


def server_model(folder, code="", *, tools=(FORECAST,), page=100, **args):
    write_server(folder, code, tools=tools, page=page)
    return McpModel(command=[PYTHON, "server.py"], experiment_folder=folder, **args)


def call(tool="forecast", **arguments):
    return Request(messages=(Message(role="assistant", tool_calls=(ToolCall(name=tool, arguments=arguments),)),))


SAYS = """
def answer(name, arguments):
    %s
"""


def ask(model, *requests):
    """Ask one server all at once; return each answer, or what was raised."""

    async def main():
        try:
            return await asyncio.gather(*map(model.respond, requests), return_exceptions=True)
        finally:
            await model.aclose()

    return asyncio.run(main())


class HttpServer(LocalServer):
    """An MCP server over streamable HTTP; `heard` has the headers of each request, `breaks` says which call ends it.

    A call is answered under the id that `answer_id` makes of its own.
    """

    def __init__(self, breaks=lambda name: False, said="ok", answer_id=lambda asked: asked):
        self.heard, self.breaks, self.said, self.answer_id = [], breaks, said, answer_id
        server = self

        class Handler(QuietHandler):
            def do_POST(self):
                call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.heard.append(dict(self.headers))
                self.called(call) if "id" in call else self.reply(202)

            def do_GET(self):
                self.reply(405)

            def do_DELETE(self):
                self.reply(200)

            def called(self, call):
                given = call.get("params", {})
                if call["method"] == "initialize":
                    info = {"name": "fake", "version": "1"}
                    result = {"protocolVersion": given["protocolVersion"], "capabilities": {"tools": {}}}
                    return self.reply(200, {"id": call["id"], "result": {**result, "serverInfo": info}})
                if call["method"] == "tools/list":
                    return self.reply(200, {"id": call["id"], "result": {"tools": [FORECAST]}})
                if call["method"] != "tools/call":
                    error = {"code": -32601, "message": "Method not found"}
                    return self.reply(200, {"id": call["id"], "error": error})
                if server.breaks(given["arguments"].get("city")):
                    self.close_connection = True
                    return self.connection.shutdown(socket.SHUT_RDWR)
                content = [{"type": "text", "text": server.said}]
                return self.reply(200, {"id": server.answer_id(call["id"]), "result": {"content": content}})

            def reply(self, status, message=None):
                self.answer(status, b"" if message is None else {"jsonrpc": "2.0", **message})

        super().__init__(Handler)
