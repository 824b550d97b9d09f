"""The semantic level: what the guards and the embedding say of labelled pairs, and what 100,000 weighed pairs cost.

    python benchmarks/semantic_level.py [--pairs 100000]

The labelled pairs are the project's own: 24 that say the same in other words, 44 that do not. The timing runs the real
`insidellms diff`, with and without `--semantic`, over two imported runs in which every text differs in its wording.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from insideLLMs.local.embedding import load_embedder
from insideLLMs.scoring.meaning import held_apart

SAME = (
    ("The meeting was moved to Friday afternoon.", "They rescheduled the meeting for Friday afternoon."),
    ("You can reset your password from the settings page.", "To reset the password, open the settings page."),
    ("The customer is unhappy because the package came late.", "The package came late, so the customer is unhappy."),
    ("Water boils when it is heated enough.", "If you heat water sufficiently, it will boil."),
    ("I recommend contacting support for a refund.", "I would recommend that you contact support for a refund."),
    ("Sure! Here is the summary: sales went up in spring.", "Here's a summary: in spring, sales increased."),
    ("The capital of France is Paris.", "Paris is the capital of France."),
    ("There are three items in the cart.", "The cart has 3 items."),
    ("The list is sorted in place.", "The function sorts the list in place."),
    ("Please restart the router and try again.", "Try again after you restart the router, please."),
    ("The review is positive.", "This is a positive review."),
    ("It took two weeks to deliver the parcel.", "The parcel took two weeks to be delivered."),
    ("Photosynthesis turns light into chemical energy.", "In photosynthesis, light becomes chemical energy."),
    ("The battery lasts about ten hours.", "You get about ten hours from the battery."),
    ("The author argues that cities should plant trees.", "According to the author, cities should plant trees."),
    ("Our office is closed on Sundays.", "On Sundays our office is closed."),
    ("The train leaves at 10:30 from platform 4.", "At 10:30 the train departs from platform 4."),
    ("Save the file, then run the tests.", "First save the file and then run the tests."),
    ("The dog slept on the sofa all day.", "All day the dog was sleeping on the sofa."),
    ("Take one tablet every morning with water.", "Every morning, take one tablet with some water."),
    ("The museum is free for students.", "Students visit the museum for free."),
    ("He wrote the letter by hand.", "The letter was written by hand by him."),
    ("Mix the flour and the sugar in a bowl.", "In a bowl, mix flour and sugar."),
    ("The app keeps crashing on startup.", "On startup the app keeps crashing."),
)
OTHER = (
    ("The drug is safe for children.", "The drug is not safe for children."),
    ("The invoice was approved.", "The invoice was declined."),
    ("Sales increased in spring.", "Sales decreased in spring."),
    ("The capital of the country is Paris.", "The capital of the country is Lyon."),
    ("Paris is the capital.", "Lyon is the capital."),
    ("Take 5 mg daily with food.", "Take 50 mg daily with food."),
    ("Take 5 mg daily.", "Take 5 g daily."),
    ("There are three items.", "There are four items."),
    ("Alice paid Bob.", "Bob paid Alice."),
    ("The dog bit the man.", "The man bit the dog."),
    ("I can help with that request.", "I can't help with that request."),
    ("Version 1.2.3 is out.", "Version 1.2.4 is out."),
    ("The train leaves at 10:30.", "The train leaves at 10:45."),
    ("It costs $5.", "It costs €5."),
    ("Run `ls -l` first.", "Run `ls -a` first."),
    ("Answer: A", "Answer: B"),
    ("Rain is likely tomorrow.", "Rain is unlikely tomorrow."),
    ("Der Test ist bestanden.", "Der Test ist nicht bestanden."),
    ("Le colis est arrivé.", "Le colis n'est pas arrivé."),
    ("El paquete llegó.", "El paquete no llegó."),
    ("Пакет пришёл.", "Пакет не пришёл."),
    ("包裹到了。", "包裹没到。"),
    ("Yes, you may enter.", "No, you may enter."),
    ("The statement is true.", "The statement is false."),
    ("All users are affected.", "Some users are affected."),
    ("You must sign the form.", "You may sign the form."),
    ("Do it before the update.", "Do it after the update."),
    ("Enable the firewall.", "Disable the firewall."),
    ("The door is open.", "The door is closed."),
    ("Buy the stock.", "Sell the stock."),
    ("Turn left at the church.", "Turn right at the church."),
    ("It happened in 1990.", "It happened in 1991."),
    ("Contact anna@example.com.", "Contact anne@example.com."),
    ("The patient has fever.", "The patient has no fever."),
    ("The test passed.", "The test failed."),
    ("It works without a key.", "It works with a key."),
    ("The review is positive.", "The review is negative."),
    ("He never smoked.", "He always smoked."),
    ("The total is 1,000 euros.", "The total is 1.000 euros, or 10,000."),
    ("The cat is on the red mat.", "The cat is on the blue mat."),
    ("She is a doctor.", "She is a lawyer."),
    ("The soup contains milk.", "The soup contains nuts."),
    ("Wash it by hand.", "Wash it by machine."),
    ("Meet me at the station.", "Meet me at the airport."),
)
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
WORDS = Path(__file__).read_text(encoding="utf-8").split('"""')[1].split()


def labelled() -> None:
    """Print, per threshold, how many pairs are told to be equivalent, with the guards and by the cosine alone."""
    similarity = load_embedder().similarity
    print(f"{'threshold':>9} {'same, told so':>14} {'other, told same':>17} {'... by cosine alone':>20}")
    for threshold in THRESHOLDS:
        same, other = (
            sum(held_apart(*pair) is None and similarity(*pair) >= threshold for pair in pairs)
            for pairs in (SAME, OTHER)
        )
        alone = sum(similarity(*pair) >= threshold for pair in OTHER)
        print(f"{threshold:>9} {same:>8} of {len(SAME)} {other:>11} of {len(OTHER)} {alone:>14} of {len(OTHER)}")
    for one, two in OTHER:
        if held_apart(one, two) is None:
            print(f"  not held apart, cosine {similarity(one, two):.3f}: {one} | {two}")
    for one, two in SAME:
        apart = held_apart(one, two)
        if apart is not None:
            print(f"  held apart ({apart.check}, {apart.saw}): {one} | {two}")
    unrelated = sorted(similarity(one, two) for one, _ in SAME for two, _ in SAME if one < two)
    print(f"unrelated pairs: median {unrelated[len(unrelated) // 2]:.3f}, 99th percentile {unrelated[-3]:.3f}")


def timing(pairs: int) -> None:
    """Time `insidellms diff` over two runs whose every text differs in one word, with and without the level."""
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        for side in ("before", "after"):
            draw.seed(1)
            with (Path(folder) / f"{side}.jsonl").open("w", encoding="utf-8") as file:
                for number in range(pairs):
                    words = draw.choices(WORDS, k=60)
                    words.insert(30, "plain" if side == "before" else "simple")
                    file.write(json.dumps({"id": f"q{number}", "output": " ".join(words), "passed": 1}) + "\n")
            table, run = f"{folder}/{side}.jsonl", f"{folder}/{side}"
            insidellms("import", table, "--to", run)
        for options in ((), ("--semantic", "0.9")):
            started = time.perf_counter()
            out = insidellms("diff", f"{folder}/before", f"{folder}/after", "--fail-on", "never", "--json", *options)
            seconds = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            found = json.loads(out)["comparison"]
            print(f"diff {' '.join(options):<15} {seconds:6.1f} s, {peak:,.0f} MB: {found['overall']['classes']}")
            if found["semantic"]:
                print(f"  {found['semantic']}")


def insidellms(*arguments: str) -> str:
    """Run the command; return what it prints."""
    done = subprocess.run([sys.executable, "-m", "insideLLMs", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    labelled()
    timing(parser.parse_args().pairs)
