"""Tools on offer in training, more often than not under names that no one has seen before.

It decides how such names are made and which words a description may hold beside the one that
tells, so that a model reads what is offered instead of knowing it by heart.
"""

import random

from deploy.pocket import tools
from deploy.pocket.asking import word
from deploy.pocket.phrasebook import languages

LATIN = ("de", "en", "es", "fr")
# Words that tell nothing about what a tool does.
FILLING = (  # noqa: SIM905 - words read best as words
    "a the of in for one some any each with and or given user please simple fast tool service "
    "returns gives finds this that it its by on all only here current data info result value"
).split()
# What programmers name things after; names made of these are read, not known by heart.
NAMING = (  # noqa: SIM905 - words read best as words
    "get read find show check call run make ask load open send take use give data item "
    "value text key code type user my new old main local global base simple quick service api "
    "request query search result id target city place town area region point zone weather "
    "time clock hour order parcel total add amount money price convert "
    "what where when now who world have need want fetch track list name number unit quantity "
    "item items reference report info status shipping sum exchange currency "
    "from to of for in by at the one all"
).split()


def offer_of(rng: random.Random, kind: str) -> tools.Offer:
    """A tool on offer, more often than not under a made-up name: names are to be read."""

    def invented() -> str:
        luck = rng.random()
        if luck < 0.3:
            return ""
        if luck < 0.9:
            return "_".join(rng.sample(NAMING, rng.choice((1, 2, 2, 2, 3))))
        language = rng.choice([spoken for spoken in languages() if spoken.code in LATIN])
        return "_".join(word(rng, language).lower() for _ in range(rng.choice((1, 1, 2))))

    made = tools.offer(rng, tools.TRAINING, kind, invented)
    if rng.random() < 0.5:
        # Other words around the one that tells: descriptions, too, come in all wordings.
        function = made.schema["function"]
        words = function["description"].split(" ")
        for _ in range(rng.choice((1, 2))):
            words.insert(rng.randrange(len(words) + 1), rng.choice(FILLING))
        function["description"] = " ".join(words)
    return made
