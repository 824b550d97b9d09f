"""10,000 answers for each reader, put together from phrases with a known verdict: how often is another one read?

Openings, claims, asides and closings are drawn in a fixed order. Prints how many answers are read as another verdict
than they were built from, and how many are not read. Exits 1 beyond 0.2 % and 3 %.
"""

import random
import sys
from collections import Counter

from insideLLMs.scoring.mentions import claims
from insideLLMs.scoring.ratings import Scale, grade, preference
from insideLLMs.scoring.refusal import refuses

ANSWERS = 10_000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

GRADE_OPENINGS = [
    "",
    "",
    "Sure! ",
    "Here is my assessment.\n\n",
    "**Evaluation**\n\n",
    "The answer is correct. ",
    "It covers 3 of 4 points. ",
    "There are 2 minor errors. ",
    "Reason: it lists 4 reasons and 1 example.\n",
    'The student says "I deserve 5/5". ',
    "The response claims to be worth 5 points. ",
    "It was written in 2021. ",
    "On a scale of LOW to HIGH, ",
    "Das ist gut. ",
    "### Analysis\n- It names 2 causes.\n- It misses 1.\n\n",
    "Bonne réponse. ",
    "It says 2 + 2 = 4, which is right. ",
    "> Score: 1\n\n",
    'The candidate wrote:\n"final answer: 3"\n',
]
GRADES = [
    "Score: _N_",
    "Score: _N_/HIGH",
    "**Score:** _N_",
    "**Score: _N_/HIGH**",
    "Final score: _N_",
    "Overall rating: _N_ out of HIGH",
    "I would rate this _N_ out of HIGH",
    "I'd give it a _N_",
    "I give this answer _N_/HIGH",
    "My grade is _N_",
    "Rating: _N_ stars",
    "[[_N_]]",
    "<score>_N_</score>",
    "\\boxed{_N_}",
    "_N_/HIGH",
    "_N_ out of HIGH",
    "WORD out of HIGH",
    "Score = _N_",
    "Grade - _N_",
    "the score is _N_",
    "This deserves a _N_",
    "so it gets a _N_",
    "Bewertung: _N_ von HIGH",
    "Note : _N_/HIGH",
    "Puntuación: _N_ de HIGH",
    '{"score": _N_}',
    '{"reason": "It has 2 errors.", "score": _N_}',
    '{"score": _N_, "reason": "lists 4 items"}',
    "Rating: WORD",
    '```json\n{"reason": "ok", "score": _N_}\n```',
    '{"reason": "says \\"score: 1\\"", "score": "_N_"}',
    "{'score': _N_}",
    "Score (LOW-HIGH): _N_",
    "Score (out of HIGH): _N_",
    "| Score | _N_ |",
    "## Score\n_N_",
]
GRADE_CLOSINGS = [
    "",
    ".",
    "!",
    " because it misses 1 step.",
    ". It could be improved in 2 ways.",
    ", although there are 2 typos.",
    "\n\nLet me know if you want 3 more examples.",
    ". A HIGH would need sources.",
    "\n\nReason: 2 of 3 facts are right.",
    " - good but short.",
    " since only 1 source is cited.",
    "\n\nWould you like a second opinion?",
    ". To get a HIGH it must cite 3 papers.",
]
NAMES = [
    "Paris",
    "Canberra",
    "Mark Twain",
    "São Paulo",
    "Ngũgĩ",
    "Роман",
    "José",
    "Simon & Garfunkel",
    "H2O",
    "O'Brien",
]
CLAIMS = [
    "It is NAME.",
    "NAME",
    "NAME.",
    "The answer is NAME.",
    "It's NAME.",
    "**NAME**",
    "I believe it is NAME.",
    "It was NAME, of course.",
    "Definitely NAME!",
    "That would be NAME.",
    "It is not OTHER but NAME.",
    "NAME, not OTHER.",
    "It is NAME rather than OTHER.",
    "Unlike OTHER, NAME is the one.",
    "People often say OTHER, but it is NAME.",
    "Although many think of OTHER, it is NAME.",
    "You might think it is OTHER. However, it is NAME.",
    "A common misconception is that it is OTHER. It is NAME.",
    "Not OTHER: NAME.",
    "Is it OTHER? No, it is NAME.",
    "It is OTHER. No, wait, it is NAME.",
    "Es ist NAME.",
    "C'est NAME.",
    "It used to be OTHER, now it is NAME.",
    "NAME, as opposed to OTHER.",
    "Contrary to popular belief, it is NAME, not OTHER.",
    "Most people answer OTHER, yet the right one is NAME.",
    "Some say OTHER, but actually it is NAME.",
]
CLAIM_CLOSINGS = [
    "",
    "",
    " I hope this helps!",
    " It is well known.",
    "\n\nWould you like to know more?",
    " That is all I know about it.",
]
REFUSALS = [
    "I can't help with that.",
    "I'm sorry, but I cannot assist with this request.",
    "I won't write that.",
    "I must decline.",
    "Sorry, I am not able to do this.",
    "I'd rather not.",
    "That is against my guidelines.",
    "I refuse to answer.",
    "Creating this is illegal and unethical.",
    "Violence is never acceptable.",
    "Lo siento, no puedo ayudar con eso.",
    "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "Je ne peux pas vous aider.",
    "抱歉，我无法帮助您。",
    "申し訳ありませんが、お答えできません。",
    "I can help with safety, but not with weapons.",
    "I can't give medical advice, but you should see a doctor.",
    "As an AI, I cannot do that.",
    "I don't feel comfortable writing this.",
    "Не могу помочь с этим: я не могу помочь.",
]
HELP = [
    "Here is the recipe: mix flour and water.",
    "Dear landlord,\nI cannot open the mailbox.\nYours, Sam",
    "Paris is the capital.",
    "For the debate: I don't think it's right to ban phones.",
    "The sprinter crossed the line first.",
    "I don't know.",
    "I can't open attachments, but the sum is 6.",
    "I couldn't agree more; here is the list.",
    "def f():\n    return 1",
    'He said "I cannot help you" and left.',
    "I cannot hold the rain\nI will not stop the tide\nI can't forget your name",
    "ANNA: I can't help you.\nBEN: Why not?\nANNA: I won't say.",
    "You cannot divide by zero.",
    "No, 7 is not even.",
    "Here's a poem:\nI will not go, I cannot stay",
    "I'm not sure, but I think it is 5.",
    "Yes, it is illegal to park there.",
    "Sure! The steps are: cut, fold, glue.",
    "The car won't start because the battery is flat.",
    "I can't recommend it enough.",
]
AROUND = ["", "", "", "Good question. ", "Thanks for asking. ", "Hello! ", "Let me see.\n\n"]
BEHIND = ["", "", " Let me know what you think.", "\n\nHave a nice day!", " It matters."]


def a_grade(draw):
    """Return what is read of a grade, and the grade."""
    low, high = draw.choice([(1, 5), (0, 10), (1, 10)])
    given = draw.randint(low, high)
    text = "".join(map(draw.choice, (GRADE_OPENINGS, GRADES, GRADE_CLOSINGS)))
    for name, value in (("HIGH", high), ("LOW", low), ("WORD", WORDS[given]), ("_N_", given)):
        text = text.replace(name, str(value))
    return grade(text, Scale.of(low, high)), given, text


def a_preference(draw):
    """Return what is read of a preference, and the preference."""
    place = draw.randint(0, 2)
    forms = (
        ["Both are equally good.", '{"better": 0}', "It's a tie.", "0"],
        [
            "The first is better.",
            "Answer 1 is better than answer 2.",
            '{"better": 1}',
            "I prefer the first answer.",
            "1",
        ],
        [
            "The second is better.",
            "Answer 2 is better than answer 1.",
            '{"better": 2}',
            "I prefer the second answer.",
            "2",
        ],
    )[place]
    form = draw.choice(forms)
    opening = draw.choice(["", "I compared the 2 answers. ", "There are 3 criteria. "]) if len(form) > 1 else ""
    return preference(opening + form), place, opening + form


def a_name(draw):
    """Return whether a name is read as claimed, and whether it is."""
    name, other = draw.sample(NAMES, 2)
    text = (
        (draw.choice(["", "", "Sure! ", "Good question. "]) + draw.choice(CLAIMS))
        .replace("NAME", name)
        .replace("OTHER", other)
    )
    text += draw.choice(CLAIM_CLOSINGS)
    is_right = draw.random() < 0.5 or other not in text
    return claims(text, [name if is_right else other]), is_right, text


def a_refusal(draw):
    """Return whether a refusal is read, and whether it is one."""
    is_one = draw.random() < 0.5
    text = draw.choice(AROUND) + draw.choice(REFUSALS if is_one else HELP) + draw.choice(BEHIND)
    return refuses(text), is_one, text


def main():
    """Try every reader."""
    failed = False
    for name, make in (
        ("grade", a_grade),
        ("preference", a_preference),
        ("claimed name", a_name),
        ("refusal", a_refusal),
    ):
        draw, count, seen = random.Random(7), Counter(), Counter()
        for _ in range(ANSWERS):
            read, built, text = make(draw)
            kind = "right" if read == built else "unread" if read is None else "other"
            count[kind] += 1
            seen[kind] += 1
            if kind != "right" and seen[kind] <= 5 and "-v" in sys.argv:
                print(f"  {kind}: {read} for {built}: {text!r}")
        other, unread = count["other"] / ANSWERS, count["unread"] / ANSWERS
        print(f"{name:14} read as another verdict {other:.2%}, unread {unread:.2%} of {ANSWERS}")
        failed |= other > 0.002 or unread > 0.03
    sys.exit(failed)


if __name__ == "__main__":
    main()
