# SPDX-License-Identifier: Apache-2.0
"""A data set in the shape of film ratings: strong popularity, genres, eras and sequels, and no features.

The data are made by a known rule: everybody has seen a few famous films, some people see whole series, and everyone
has a taste in genres. A recommender that follows popularity alone lists the famous films. One that knows which items
belong together lists the series.
"""

import bisect
import itertools
import math
import random

FILMS, PEOPLE, GENRES = 1600, 1200, 18


class Film:
    def __init__(self, rank, chance):
        self.fame = 1 / (rank + 8) ** 0.9
        self.genres = {chance.randrange(GENRES)}
        self.year = 2015 - min(int(chance.expovariate(1 / 14)), 60)
        self.series = None


def films(chance):
    """Draws the films, in the order of fame. A third of them belong to series of two to six parts, which share a genre and
    differ in fame."""
    made = [Film(rank, chance) for rank in range(FILMS)]
    for film in made:
        film.genres.add((min(film.genres) + chance.choice([0, 1, 1, 2, 5])) % GENRES)
    free = list(range(FILMS))
    chance.shuffle(free)
    series = 0
    while len(free) > 2 * FILMS / 3:
        first = free.pop()
        count = chance.randint(1, 5)
        # Sequels of a famous film are famous too.
        near = sorted(free, key=lambda row, first=first: abs(math.log(row + 8) - math.log(first + 8)) + chance.random())
        for row in [first] + near[:count]:
            made[row].series = series
            made[row].genres = made[first].genres
            if row != first:
                free.remove(row)
        series += 1
    return made


def taken_by(person_taste, all_films, members, chance):
    """One person's films in the order in which they were seen."""
    era = 1975 + chance.random() * 40
    weights = []
    for film in all_films:
        liking = sum(person_taste[genre] for genre in film.genres) / len(film.genres)
        weights.append(film.fame * math.exp(2.4 * liking - abs(film.year - era) / 20))
    total = list(itertools.accumulate(weights))
    wanted = min(int(18 + chance.lognormvariate(3.2, 0.9)), 400)
    seen = {}
    while len(seen) < wanted:
        row = bisect.bisect_left(total, chance.random() * total[-1])
        if row in seen:
            continue
        seen[row] = None
        for other in members.get(all_films[row].series, ()):
            if other not in seen and chance.random() < 0.3:
                seen[other] = None
    return list(seen)


def write(path, seed=1):
    """Writes interactions with random splits of 70, 10 and 20 %; the same seed gives the same file. Returns
    the series, each a list of ids."""
    chance = random.Random(seed)
    all_films = films(chance)
    members = {}
    for row, film in enumerate(all_films):
        if film.series is not None:
            members.setdefault(film.series, []).append(row)
    with open(path, "w", encoding="utf-8") as out:
        out.write("user\titem\tsplit\n")
        for person in range(PEOPLE):
            taste = [chance.gauss(0, 1) for _ in range(GENRES)]
            for row in taken_by(taste, all_films, members, chance):
                split = chance.choices([0, 1, 2], [70, 10, 20])[0]
                out.write(f"person-{person}\tfilm-{row}\t{split}\n")
    return [[f"film-{row}" for row in rows] for rows in members.values()]
