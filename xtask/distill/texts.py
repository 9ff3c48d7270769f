"""The sentences that the teacher model is asked about: dictionary glosses, usage examples,
and everyday statements and questions made from templates over frequent nouns."""

import random
import re
from collections import defaultdict
from pathlib import Path

PARTS = ("noun", "verb", "adj", "adv")

NAMES = """Alice Bob Carol Dave Emma Frank Grace Henry Irene Jack Kate Liam Maria Nate Olivia Paul Quinn
Rosa Sam Tina Umar Vera Will Xena Yara Zoe Anna Ben Clara Daniel Elena Felix Gina Hugo Ivan Julia Kevin
Laura Marco Nina Oscar Priya Ravi Sofia Thomas Ursula Victor Wendy Ahmed Bella Chen Diego Eva Fatima
George Hannah Isaac Jasmine Karl Lena Mia Noah Omar Petra Ruth Simon Tara Viktor Yusuf Andrew Barbara
Charles Deborah Edward Fiona Gary Helen Ian Jessica Kyle Lucy Michael Nancy Patrick Rachel Steven
Sarah James John David Robert Linda Susan Karen Lisa Mark Peter Chris Alex Jordan Taylor Morgan""".split()

# Slots name the lexicographer file that supplies the noun.
STATEMENTS = """{n} loves {food}
{n} can't stand {food}
{n} is allergic to {food}
{n} has a pet {animal}
{n} adopted a {animal} from the shelter
{n} is scared of a {animal}
{n} bought a new {artifact} last week
{n} lost the {artifact} at the {artifact}
{n}'s favorite food is {food}
{n} works as a {person} in {place}
{n} used to be a {person}
{n}'s mother was a {person}
{n} moved to {place} two years ago
{n} grew up in {place}
{n} is planning a trip to {place} next summer
{n} started {act} last month
{n} gave up {act} because of the {event}
{n} enjoys {act} on weekends with friends
{n} is taking classes in {cognition}
{n} wants to study {cognition}
{n} felt {feeling} after the {event}
{n} went to the {event} with {m}
{n} met {m} at the {artifact}
{n} and {m} talked about {cognition}
{n} was diagnosed with {state}
{n} is worried about the {state}
{n} paid for the {artifact} with the {possession}
{n} wrote a {communication} for {m}
{n} joined a {group} in {place}
{n} hurt the {body} during the {event}
{n} painted a picture of a {plant}
{n} planted a {plant} in the garden""".split("\n")

QUESTIONS = """What food does {n} like?
Does {n} eat {food}?
What kind of {animal} does {n} have?
When did {n} buy the {artifact}?
Where did {n} leave the {artifact}?
What does {n} do for a living?
Which job did {n} have as a {person}?
Where does {n} live now, in {place}?
Where is {n} from originally?
When is {n} going to {place}?
How long has {n} been doing {act}?
Why did {n} stop {act}?
What hobbies does {n} have?
What is {n} studying besides {cognition}?
How did {n} feel about the {event}?
Who went to the {event} with {n}?
Who did {n} meet at the {artifact}?
What illness does {n} have?
How much did the {artifact} cost {n}?
What did {n} write about {communication}?
Which {group} is {n} a member of?
What happened to the {body} of {n}?
What did {n} paint recently?
What plants grow in the garden of {n}?
What would {n} like as a gift?
Is {n} married or single?
How many children does {n} have?
What are the plans of {n} for the summer?""".split("\n")

FILES = {5: "animal", 4: "act", 6: "artifact", 8: "body", 9: "cognition", 10: "communication", 11: "event",
         12: "feeling", 13: "food", 14: "group", 15: "place", 18: "person", 20: "plant", 21: "possession",
         26: "state"}


def glosses(wordnet: Path) -> list[str]:
    """`headword: definition` and every usage example of more than three words."""
    out = []
    for part in PARTS:
        for line in (wordnet / f"data.{part}").read_text(encoding="utf-8").splitlines():
            if line.startswith("  ") or "|" not in line:
                continue
            head, gloss = line.split("|", 1)
            word = head.split()[4].replace("_", " ")
            examples = re.findall(r'"([^"]+)"', gloss)
            definition = re.sub(r';?\s*"[^"]*"', "", gloss).strip(" ;")
            out.append(f"{word}: {definition}")
            out += [e for e in examples if len(e.split()) > 3]
    return out


def frequent_nouns(wordnet: Path) -> dict[str, list[str]]:
    """Nouns seen in the sense-tagged corpus, by lexicographer file, most frequent first."""
    found = defaultdict(list)
    for line in (wordnet / "cntlist.rev").read_text(encoding="utf-8").splitlines():
        key, _, count = line.split(" ")
        lemma, sense = key.split("%")
        kind, lexfile = sense.split(":")[:2]
        name = FILES.get(int(lexfile))
        if kind == "1" and name and lemma.replace("_", "").isalpha():
            found[name].append((-int(count), lemma.replace("_", " ")))
    return {name: [w for _, w in sorted(rows)[:600]] for name, rows in found.items()}


def everyday(wordnet: Path, count: int, rng: random.Random) -> list[str]:
    """`count` statements and questions, half of each."""
    nouns = frequent_nouns(wordnet)
    out = []
    for i in range(count):
        pattern = rng.choice(STATEMENTS if i % 2 else QUESTIONS)
        n, m = rng.sample(NAMES, 2)
        fields = {name: rng.choice(words) for name, words in nouns.items()}
        fields["place"] = fields["place"].title()
        out.append(pattern.format(n=n, m=m, **fields))
    return out


def training_texts(wordnet: Path) -> list[str]:
    """All texts, shuffled with a fixed seed."""
    rng = random.Random(1)
    texts = glosses(wordnet) + everyday(wordnet, 30_000, rng)
    texts = sorted(set(texts))
    rng.shuffle(texts)
    return texts
