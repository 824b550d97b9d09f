"""Answers of known verdict, built from parts: thoughts, openings, the claim, what others say, doubts, closings.

Every answer claims one value in its own voice; other values occur only where nobody would take them for the answer,
and in the thoughts before it.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

READERS = ("choice", "number", "yes_no", "text")
LANGUAGES = ("en", "en", "en", "en", "en", "de", "es", "fr", "it", "pt", "zh", "ru")
CITIES = ("Paris", "Rome", "Berlin", "Madrid")
QUESTION = "What is the capital of this country?"


@dataclass(frozen=True, slots=True)
class Built:
    """An answer, which reader it is for, and what it says."""

    reader: str
    language: str
    answer: str
    says: str


OPENINGS = {
    "en": (
        "Sure! ", "Great question! ", "Okay, let's work through this. ", "Of course. ",
        "Let me think this through.\n\n",
        "Happy to help! ", "Here's how I see it.\n", "Thanks for asking! ", "Certainly, here you go:\n\n", "Hmm. ",
        "## Solution\n\n", "### Reasoning\nThis is what the question asks for.\n\n### Answer\n",
        "#### Step 1: understand the question\nIt asks for one thing.\n\n#### Step 2: answer it\n", "",
    ),
    "de": ("Gerne! ", "Gute Frage! ", "Schauen wir uns das an. ", ""),
    "es": ("¡Claro! ", "Buena pregunta. ", "Vamos paso a paso. ", ""),
    "fr": ("Bien sûr ! ", "Bonne question. ", "Voyons cela. ", ""),
    "it": ("Certo! ", "Buona domanda. ", ""),
    "pt": ("Claro! ", "Boa pergunta. ", ""),
    "zh": ("好的。", "这是个好问题。", ""),
    "ru": ("Конечно! ", "Хороший вопрос. ", ""),
}  # fmt: skip
CLAIMS = {
    "en": (
        "The answer is {v}.", "The correct answer is {v}.", "Answer: {v}", "**Answer:** {v}", "Final answer: {v}",
        "My answer is {v}.", "So the answer is {v}.", "Therefore, the answer is **{v}**.", "\\boxed{{{v}}}",
        "$\\boxed{{\\text{{{v}}}}}$", "The answer must be {v}.", "The answer is: {v}", "The right answer is {v}.",
        "Thus, the final answer is {v}.", '{{"answer": "{v}"}}', "<answer>{v}</answer>", "The answer seems to be {v}.",
        "I'd say the answer is {v}.", "That makes the answer {v}.", "The answer turns out to be {v}.", "ANSWER: {v}",
        "The result is {v}.", "In conclusion, the answer is {v}.", "#### {v}", "The answer would be {v}.",
        "The answer is not {w} but {v}.", "The answer is {v}, not {w}.", "It's {v}.", "{v}", "**{v}**", "{v}.", "({v})",
        "I believe it's {v}.", "My best guess is {v}.",
    ),
    "de": ("Die Antwort ist {v}.", "Antwort: {v}", "Die richtige Antwort lautet {v}.", "{v}", "Die Antwort: **{v}**"),
    "es": ("La respuesta es {v}.", "Respuesta: {v}", "La respuesta correcta es {v}.", "{v}"),
    "fr": ("La réponse est {v}.", "Réponse : {v}", "La bonne réponse est {v}.", "{v}"),
    "it": ("La risposta è {v}.", "Risposta: {v}", "La risposta corretta è {v}.", "{v}"),
    "pt": ("A resposta é {v}.", "Resposta: {v}", "A resposta correta é {v}.", "{v}"),
    "zh": ("答案是{v}。", "答案:{v}", "正确答案是 {v}。", "{v}"),
    "ru": ("Ответ: {v}", "Ответ: {v}.", "{v}"),
}  # fmt: skip
OTHERS = {
    "en": (
        " A common misconception is that the answer is {w}.", " Many people think the answer is {w}.",
        " Some say the answer is {w}, but they are mistaken.", " You might expect the answer to be {w}.",
        " It is a mistake to conclude that the answer is {w}.", ' A classmate wrote: "the answer is {w}".',
        " If the question were another one, the answer would be {w}.", " Otherwise the answer would be {w}.",
        " The answer is {w} only if you read the question differently.", " Why not {w}? Because it does not fit.",
        " At first I thought the answer was {w}.", " It is a myth that the answer is {w}.",
        " Had we been asked something else, the answer might have been {w}.",
        " People often answer {w}, which is wrong.",
        "", "", "", "", "", "",
    ),
    "de": (" Viele glauben, die Antwort ist {w}.", " Ein häufiger Irrtum ist, dass die Antwort {w} ist.", "", "", ""),
    "es": (" Mucha gente cree que la respuesta es {w}.", " Un error común es pensar que la respuesta es {w}.", "", ""),
    "fr": (" Beaucoup pensent que la réponse est {w}.", " Certains croient que la réponse est {w}.", "", ""),
    "it": ("", " Spero che sia chiaro."),
    "pt": ("", " Espero que isso ajude."),
    "zh": ("很多人认为答案是{w}。", "有人认为答案是{w}，但那是错的。", "", ""),
    "ru": (" Многие думают, что ответ: {w}.", "", ""),
}  # fmt: skip
BEFORE = {
    "en": (
        "Many people think the answer is {w}, but they are wrong. ",
        "At first glance the answer seems to be {w}. However, ",
        "I'm not completely sure, but ",
        "The answer is {w}. Wait, no. ", "A popular belief is that the answer is {w}. ",
        "I first thought the answer was {w}, but ",
        "You asked whether the answer is {w}. ", "I don't know all the details. ",
        "", "", "", "", "", "", "", "",
    ),
    "de": ("Ich bin nicht ganz sicher, aber ", "", "", ""),
    "es": ("No estoy seguro, pero ", "", "", ""),
    "fr": ("Je ne suis pas sûr, mais ", "", "", ""),
    "it": ("",),
    "pt": ("",),
    "zh": ("我不太确定，但", "", ""),
    "ru": ("",),
}  # fmt: skip
CLOSINGS = {
    "en": (
        "\n\nLet me know if you have 2 or 3 more questions!", " Would you like me to explain why it is not {w}?",
        "\n\nI hope this helps! 😊", "\n\nNote: prices and facts are as of 2023.", " Shall I show 2 other ways?",
        "\n\n*(Note: {w} is another common reply.)*", "\n\nFeel free to ask about {w} as well.",
        "\n\nP.S. 42 is a nice number.",
        "\n\nSources: [1] Encyclopedia, 2021; [2] Almanac, 2019",
        " If you'd like, I can go over {w} too.", "", "", "", "",
    ),
    "de": ("\n\nSoll ich 2 weitere Beispiele zeigen?", " Ich hoffe, das hilft!", "", ""),
    "es": ("\n\n¿Quieres que explique por qué no es {w}?", " ¡Espero que te ayude!", "", ""),
    "fr": ("\n\nVoulez-vous 2 autres exemples ?", " J'espère que cela vous aide.", "", ""),
    "it": ("\n\nVuoi altri 2 esempi?", ""),
    "pt": ("\n\nQuer ver mais 2 exemplos?", ""),
    "zh": ("\n\n需要我再举2个例子吗？", "希望对你有帮助！", ""),
    "ru": ("\n\nХотите ещё 2 примера?", ""),
}  # fmt: skip
OWN_CLAIMS = {
    "choice": (
        "Option {v} is correct.", "{v} is the right choice.", "I choose {v}.",
        "I'd go with {v}.", "The correct option is {v}.",
    ),
    "number": (
        "She has {v} cookies left.", "In total, that makes {v} cookies.", "So there are {v} of them.", "He pays ${v}.",
        "6 + 7 = 13, so in the end {v} remain.", "x = {v}", "The total is {v}.", "It takes {v} minutes.",
        "They need {v} more.",
    ),
    "yes_no": (
        "{V}, definitely.", "{V}.", "The statement is {t}.", "It is {t}.", "{V}, by definition.", "That's {t}.",
        "{V}, because of how it is defined.",
    ),
    "text": (
        "The capital is {v}.", "{v} is the capital of this country.", "Its capital is {v}, a large city.", "It's {v}.",
        "The capital of this country is {v}. It lies on a river.", "That would be {v}.", "The capital is called {v}.",
    ),
}  # fmt: skip

THOUGHTS = (
    "The answer is {w}.", "Is it {w}? No. {v}? No, {w}. Final answer: {w}", "Answer: {w}\n\n\\boxed{{{w}}}",
    "Okay, so the user wants one thing.\n\n1. It could be {w}.\n2. It could be 12 or 7.\n\nSo it's {w}.",
    "**{w}**", '{{"answer": "{w}"}}', "<answer>{w}</answer>", "```python\nanswer = 3 * 4\n```\nHence {w}. Wait, {v}?",
    "I can't tell. I don't know. {w}", "Die Antwort ist {w}.", "答案是{w}。", "The answer is {w}. Wait,",
)  # fmt: skip
WRAPPINGS = (
    "<think>{thoughts}</think>{answer}", "<think>\n{thoughts}\n</think>\n\n{answer}",
    "{thoughts}\n</think>\n\n{answer}",
    "<thinking>\n{thoughts}\n</thinking>\n{answer}", "<thought>{thoughts}</thought>\n{answer}",
    "<reasoning>\n{thoughts}\n</reasoning>\n\n{answer}", "[THINK]{thoughts}[/THINK]{answer}",
    "<seed:think>{thoughts}</seed:think>{answer}", "◁think▷{thoughts}◁/think▷{answer}",
    "<think>{thoughts}</think>\n<think>\n{thoughts}\n</think>\n{answer}",
    "<|channel|>analysis<|message|>{thoughts}<|end|><|start|>assistant<|channel|>final<|message|>{answer}<|return|>",
    "<|channel|>analysis<|message|>{thoughts}<|end|><|channel|>final <|constrain|>text<|message|>{answer}",
    "analysis{thoughts}assistantfinal{answer}",
    "<|START_THINKING|>{thoughts}<|END_THINKING|><|START_RESPONSE|>{answer}<|END_RESPONSE|>",
    "<|channel>thought\n{thoughts}<channel|>{answer}",
)  # fmt: skip
"""How models put thoughts before an answer; the third is of a template that opens them itself."""
THINKING = 0.5
"""The share of answers with thoughts."""

_POLAR = {
    language: {"yes": yes, "no": no}
    for language, yes, no in (
        ("de", "ja", "nein"), ("es", "sí", "no"), ("fr", "oui", "non"), ("it", "sì", "no"), ("pt", "sim", "não"),
        ("zh", "是", "否"), ("ru", "да", "нет"),
    )
}  # fmt: skip


def build(count: int, seed: int = 0) -> Iterator[Built]:
    """Yield `count` answers, the same for the same seed."""
    rng, thoughts_rng = random.Random(seed), random.Random(f"thoughts {seed}")
    for number in range(count):
        yield _build(rng, thoughts_rng, READERS[number % len(READERS)])


def _build(rng: random.Random, thoughts_rng: random.Random, reader: str) -> Built:
    language = rng.choice(LANGUAGES)
    value, other = _values(rng, reader)
    claims = CLAIMS[language] if language != "en" or rng.random() < 0.6 else OWN_CLAIMS[reader]
    claim = rng.choice(claims)
    parts = [claim] if claim.startswith("{{") else [
        rng.choice(OPENINGS[language]), _joined(_before(rng, reader, language), claim), rng.choice(OTHERS[language]),
        rng.choice(CLOSINGS[language]),
    ]  # fmt: skip
    words = {
        "v": _POLAR.get(language, {}).get(value, value),
        "w": _POLAR.get(language, {}).get(other, other),
        "V": value.capitalize(),
        "t": {"yes": "true", "no": "false"}.get(value, value),
    }
    answer = _text(part.format(**words) for part in parts)
    return Built(reader, language, _thinking(thoughts_rng, answer, words), value)


def _thinking(rng: random.Random, answer: str, words: dict[str, str]) -> str:
    """Put thoughts before some answers; what they conclude is not what is answered."""
    if rng.random() >= THINKING:
        return answer
    return rng.choice(WRAPPINGS).format(thoughts=rng.choice(THOUGHTS).format(**words), answer=answer)


def _text(parts: Iterable[str]) -> str:
    """Join parts; what ends in no full stop ends its line."""
    text = ""
    for part in parts:
        text += (
            part if not text or text[-1] in " \n.!?。？！" or part[:1] == "\n" else "\n" * bool(part) + part.lstrip()
        )
    return text.strip()


def _before(rng: random.Random, reader: str, language: str) -> str:
    """Draw a beginning; "You asked whether the answer is no" asks for a yes that means no."""
    drawn = rng.choice(BEFORE[language])
    return "" if reader == "yes_no" and ("whether" in drawn or "Wait, no" in drawn) else drawn


def _joined(before: str, claim: str) -> str:
    """Join a beginning to its claim; a claim on a line of its own is not joined to half a sentence."""
    alone = claim.startswith(("#", "\\", "$", "<", "*", "ANSWER", "Answer", "Final", "(", "{v}", "x ="))
    if before and alone and before.rstrip()[-1] in ",tw但o":
        return claim
    if before.rstrip().endswith((",", "but", "aber", "pero", "mais")) and claim[:1].isupper() and claim[:2] != "I'":
        claim = claim[0].lower() + claim[1:]
    return before + ("\n" + claim if alone and before else claim)


def _values(rng: random.Random, reader: str) -> tuple[str, str]:
    match reader:
        case "choice":
            value, other = rng.sample("ABCD", 2)
        case "number":
            value, other = map(str, rng.sample(range(14, 400), 2))
        case "yes_no":
            value, other = rng.sample(("yes", "no"), 2)
        case _:
            value, other = rng.sample(CITIES, 2)
    return value, other
