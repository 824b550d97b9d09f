"""The comments of GitHub's and GitLab's REST APIs, as far as one sticky comment needs them, over real sockets."""

import json
import re
from urllib.parse import parse_qs, urlsplit

from support.local_server import LocalServer, QuietHandler

OURS = {"user": {"type": "Bot"}, "author": {"id": 9}}


class CommentServer(LocalServer):
    """`with CommentServer() as server:` listens at `server.url`; it refuses each request with `refuses`, if set."""

    def __init__(self):
        self.comments = []
        self.requests = []
        self.refuses = None
        self.redirects_to = None
        super().__init__(_handler(self))

    def say(self, body, **who):
        """Add a comment; by default it is ours."""
        self.comments.append({"id": 100 + len(self.comments), "body": body, **(who or OURS)})

    def answer(self, method, path, body):
        if path.endswith("/user"):
            return {"id": 9}
        if method == "GET":
            query = parse_qs(urlsplit(path).query)
            size, page = int(query["per_page"][0]), int(query["page"][0])
            return self.comments[size * (page - 1) : size * page]
        if method == "POST":
            self.say(body["body"])
            return self.comments[-1]
        number = int(re.search(r"/(\d+)$", path)[1])
        found = next(comment for comment in self.comments if comment["id"] == number)
        found["body"] = body["body"]
        return found


def _handler(owner):
    class Handler(QuietHandler):
        def _serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            owner.requests.append((self.command, self.path, dict(self.headers)))
            said = owner.answer(self.command, self.path, json.loads(body or b"{}"))
            if owner.redirects_to:
                self.answer(302, said, {"Location": owner.redirects_to})
            else:
                self.answer(owner.refuses or 200, said)

        do_GET = do_POST = do_PATCH = do_PUT = _serve

    return Handler
