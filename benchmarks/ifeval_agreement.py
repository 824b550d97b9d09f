"""How often our constraints and IFEval's own checkers say the same: pip install lm-eval --no-deps, and then

pip install nltk langdetect immutabledict absl-py; in an environment of its own, as the oracle is not ours. The texts
are 1,000 answers put together from pieces that IFEval's instructions ask for, in a fixed order, and the documents of
the packages installed here, cut into parts. Two checkers read data that a package index does not carry, and are given
stand-ins: sentences are split by lm-eval's own `split_into_sentences`, words in capitals by NLTK's tokenizer without
its sentences. Prints, for each instruction, how often both say the same, and a text on which they do not.
"""

import importlib.metadata
import importlib.util
import random
import sys
import types
from collections import Counter, defaultdict
from pathlib import Path

from insideLLMs.scoring.constraints import parse_constraint

OPENINGS = ["", "Sure! Here you go:\n\n", "Dear Tom,\n\n", "<<My Poem>>\n\n", "# A title\n", '"', "P.S. first. "]
LINES = [
    "The sky is blue, and the sea is green.",
    "It was late. Nobody came! Why?",
    "He met Dr. Smith at 3 p.m. today.",
    "* one item",
    "* another item",
    "- a dash item",
    "1. first",
    "*highlighted part* in a line",
    "**bold part** here",
    "Section 1\nSome words.",
    "SECTION 2\nMore words.",
    "***",
    "******",
    "[name], your [address] please",
    "NASA AND ESA",
    "ALL OF THIS IS LOUD",
    "everything here is quiet",
    '{"a": 1, "b": [true]}',
    '```json\n{"a": 1}\n```',
    "keyword coder coders encoder",
    "However, the second part differs.",
    "",
    "",
    "Skyline and skyscraper.",
    "no no, No.",
    "Ein Satz auf Deutsch, mit Komma.",
    "Une phrase en français.",
    "My answer is yes.",
    "My answer is no.",
    "e.g. this, i.e. that, etc. Then more.",
    "The answer is no. That is final.",
    "Write a poem about rain.",
]
ENDINGS = ["", "", "\n\nP.S. I forgot.", "\n\nP.P.S more", "\nAny other questions?", '"', "\n* last item", "."]


def load_oracle():
    """Import lm-eval's checkers without the rest of lm-eval, with stand-ins for what NLTK would download."""
    import nltk

    nltk.data.find = lambda *_: None
    spec = importlib.util.find_spec("lm_eval")
    if spec is None or spec.origin is None:
        sys.exit("lm-eval is not installed: pip install --no-deps lm-eval")
    folder = Path(spec.origin).parent / "tasks" / "ifeval"
    for name in ("lm_eval", "lm_eval.tasks", "lm_eval.tasks.ifeval"):
        sys.modules[name] = types.ModuleType(name)
    loaded = {}
    for name in ("instructions_util", "instructions"):
        found = importlib.util.spec_from_file_location(f"lm_eval.tasks.ifeval.{name}", folder / f"{name}.py")
        module = importlib.util.module_from_spec(found)
        sys.modules[found.name] = module
        setattr(sys.modules["lm_eval.tasks.ifeval"], name, module)
        found.loader.exec_module(module)
        loaded[name] = module
    util, checkers = loaded["instructions_util"], loaded["instructions"]
    util.count_sentences = lambda text: len(util.split_into_sentences(text))
    nltk.word_tokenize = nltk.tokenize.NLTKWordTokenizer().tokenize
    checkers.langdetect.DetectorFactory.seed = 0
    return checkers


def texts():
    """Return 1,000 answers from pieces, and parts of the documents of installed packages."""
    draw = random.Random(13)
    made = []
    for _ in range(1000):
        body = draw.choice(["\n", "\n\n", " "]).join(draw.choices(LINES, k=draw.randint(1, 9)))
        made.append((draw.choice(OPENINGS) + body + draw.choice(ENDINGS)).strip() or "empty")
    for package in sorted(importlib.metadata.distributions(), key=lambda one: one.name or ""):
        lines = (package.metadata.get_payload() or "").splitlines()
        parts = ["\n".join(lines[at : at + 12]).strip() for at in range(0, min(len(lines), 240), 12)]
        made += [part for part in parts if len(part) > 40]
    return made


RELATIONS = {"min": "at least", "max": "less than"}


def pairs(oracle):
    """Yield an instruction of IFEval with its arguments, and our constraints for the same."""

    def checker(kind, **arguments):
        made = getattr(oracle, kind)("x")
        made.build_description(**arguments)
        return made

    for ours, theirs in RELATIONS.items():
        for number in (1, 2, 3, 5, 8, 20):
            limit = {ours: number if ours == "min" else number - 1}
            yield (
                "number_words",
                checker("NumberOfWords", num_words=5 * number, relation=theirs),
                [{"type": "words", ours: 5 * number - (ours == "max")}],
            )
            yield (
                "number_sentences",
                checker("NumberOfSentences", num_sentences=number, relation=theirs),
                [{"type": "sentences", **limit}],
            )
            yield (
                "letter_frequency",
                checker("LetterFrequencyChecker", letter="e", let_frequency=number, let_relation=theirs),
                [{"type": "letter_frequency", "letter": "e", **limit}],
            )
            yield (
                "capital_word_frequency",
                checker("CapitalWordFrequencyChecker", capital_frequency=number, capital_relation=theirs),
                [{"type": "capital_words", **limit}],
            )
            for word in ("no", "sky"):
                yield (
                    "keywords:frequency",
                    checker("KeywordFrequencyChecker", keyword=word, frequency=number, relation=theirs),
                    [{"type": "keyword_frequency", "word": word, **limit}],
                )
    for number in (1, 2, 3, 4):
        yield (
            "number_placeholders",
            checker("PlaceholderChecker", num_placeholders=number),
            [{"type": "placeholders", "min": number}],
        )
        yield (
            "number_bullet_lists",
            checker("BulletListChecker", num_bullets=number),
            [{"type": "bullets", "exactly": number}],
        )
        yield (
            "number_highlighted_sections",
            checker("HighlightSectionChecker", num_highlights=number),
            [{"type": "highlights", "min": number}],
        )
        yield (
            "multiple_sections",
            checker("SectionChecker", section_spliter="Section", num_sections=number),
            [{"type": "sections", "marker": "Section", "min": number}],
        )
        yield (
            "number_paragraphs",
            checker("ParagraphChecker", num_paragraphs=number),
            [{"type": "paragraphs", "separator": "***", "exactly": number}],
        )
        yield (
            "nth_paragraph_first_word",
            checker("ParagraphFirstWordCheck", num_paragraphs=number, nth_paragraph=number, first_word="however"),
            [
                {"type": "paragraphs", "exactly": number},
                {"type": "paragraph_first_word", "paragraph": number, "word": "however"},
            ],
        )
    for words in (["sky"], ["coder", "items"], ["The"]):
        yield "keywords:existence", checker("KeywordChecker", keywords=words), [{"type": "keywords", "words": words}]
        yield (
            "forbidden_words",
            checker("ForbiddenWords", forbidden_words=words),
            [{"type": "forbidden_words", "words": words}],
        )
    for marker in ("P.S.", "P.P.S"):
        yield (
            "postscript",
            checker("PostscriptChecker", postscript_marker=marker),
            [{"type": "postscript", "marker": marker}],
        )
    for language in ("en", "de", "fr"):
        yield (
            "response_language",
            checker("ResponseLanguageChecker", language=language),
            [{"type": "response_language", "language": language}],
        )
    options = ["My answer is yes.", "My answer is no.", "My answer is maybe."]
    yield "constrained_response", checker("ConstrainedResponseChecker"), [{"type": "one_of", "options": options}]
    yield "json_format", checker("JsonFormat"), ["json"]
    yield "title", checker("TitleChecker"), ["title"]
    yield "two_responses", checker("TwoResponsesChecker"), ["two_responses"]
    prompt = "Dear Tom"
    yield (
        "repeat_prompt",
        checker("RepeatPromptThenAnswer", prompt_to_repeat=prompt),
        [{"type": "repeat_prompt", "prompt": prompt}],
    )
    phrase = "Any other questions?"
    yield "end_checker", checker("EndChecker", end_phrase=phrase), [{"type": "ends_with", "text": phrase}]
    english = {"type": "response_language", "language": "en"}
    yield "english_capital", checker("CapitalLettersEnglishChecker"), ["all_upper", english]
    yield "english_lowercase", checker("LowercaseLettersEnglishChecker"), ["all_lower", english]
    yield "no_comma", checker("CommaChecker"), ["no_comma"]
    yield "quotation", checker("QuotationChecker"), ["quoted"]


def main():
    """Compare both on every text and say how often they agree."""
    oracle, answers = load_oracle(), texts()
    same, total, kept, examples = Counter(), Counter(), Counter(), defaultdict(list)
    for name, checker, specs in pairs(oracle):
        constraints = [parse_constraint(spec) for spec in specs]
        for answer in answers:
            theirs = bool(checker.check_following(answer))
            ours = all(one.failing(answer) is None for one in constraints)
            total[name] += 1
            kept[name] += theirs
            same[name] += ours == theirs
            if ours != theirs:
                examples[name].append((len(answer), f"{'kept' if ours else 'broken'} by ours: {answer!r}", str(specs)))
    print(f"{len(answers)} texts")
    for name in sorted(total, key=lambda one: same[one] / total[one]):
        print(f"{name:28} {same[name] / total[name]:7.2%} of {total[name]} ({kept[name] / total[name]:.0%} kept)")
        for _, said, spec in sorted(examples[name])[:: max(1, len(examples[name]) // 2)][
            : 2 if "-v" in sys.argv else 0
        ]:
            print(f"      {spec} {said[:170]}")
    print(f"all {sum(same.values()) / sum(total.values()):.2%} of {sum(total.values())}")


if __name__ == "__main__":
    main()
