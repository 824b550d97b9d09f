"""A small service that answers from its own pages: POST /ask {"question": "..."}.

It finds pages by shared words, puts them into the prompt (prompt.md), and asks a model. So that it runs without a key,
the model here is a stand-in that picks sentences; put yours into `ask_model`. Nothing in it knows that it is tested.

    uvicorn service:app --port 8000
"""

import hashlib
import math
import re
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel

HERE = Path(__file__).parent
PROMPT = (HERE / "prompt.md").read_text(encoding="utf-8")
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((HERE / "pages").glob("*.md"))}
MOST_SOURCES = 2
COMMON = {
    "a",
    "an",
    "and",
    "are",
    "can",
    "do",
    "does",
    "for",
    "how",
    "i",
    "in",
    "is",
    "it",
    "my",
    "of",
    "on",
    "the",
    "to",
    "what",
}

app = FastAPI()


class Question(BaseModel):
    question: str


class Source(BaseModel):
    id: str
    text: str


class Answer(BaseModel):
    reply: str
    sources: list[Source]
    prompt_sha256: str
    tokens: int
    cost_usd: float


def words(text: str) -> set[str]:
    """Return the words that tell a text from another, without their endings."""
    return {word.rstrip("s") for word in re.findall(r"[a-z0-9]+", text.lower())} - COMMON


def find(question: str) -> list[Source]:
    """Return the pages that share the rarest words with a question, the best first."""
    known = {name: words(text) for name, text in PAGES.items()}

    def weight(name: str) -> float:
        shared = words(question) & known[name]
        return sum(math.log(1 + len(known) / sum(word in other for other in known.values())) for word in shared)

    best = sorted((name for name in known if weight(name) > 0), key=lambda name: (-weight(name), name))
    return [Source(id=name, text=PAGES[name].strip()) for name in best[:MOST_SOURCES]]


def ask_model(prompt: str, question: str, sources: list[Source]) -> str:
    """Stand in for a model: say the sentence that fits best, and cite it if the prompt asks for that."""
    sentences = [
        (number, one) for number, source in enumerate(sources, 1) for one in re.split(r"(?<=\.)\s+", source.text)
    ]
    if not sentences:
        return "I found nothing about that."
    number, best = max(sentences, key=lambda pair: (len(words(pair[1]) & words(question)), -pair[0]))
    return f"{best.rstrip('.')} [{number}]." if "cite" in prompt.lower() else best


@app.post("/ask")
def ask(asked: Question) -> Answer:
    """Answer a question from the pages."""
    sources = find(asked.question)
    context = "\n\n".join(f"[{number}] {source.text}" for number, source in enumerate(sources, 1))
    prompt = PROMPT.format(context=context, question=asked.question)
    reply = ask_model(PROMPT, asked.question, sources)
    tokens = len((prompt + reply).split())
    digest = hashlib.sha256(PROMPT.encode()).hexdigest()[:12]
    return Answer(reply=reply, sources=sources, prompt_sha256=digest, tokens=tokens, cost_usd=tokens / 1_000_000)
