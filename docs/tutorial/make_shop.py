#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the tutorial's small outdoor shop, purchases.csv and items.csv, into this folder: always the same bytes."""

import csv
import datetime
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))
ACTIVITIES = {
    "Camping": ["Tent", "Sleeping Bag", "Camp Stove", "Lantern"],
    "Climbing": ["Rope", "Harness", "Climbing Shoes", "Chalk Bag"],
    "Cycling": ["Helmet", "Pannier", "Bike Light", "Repair Kit"],
    "Paddling": ["Dry Bag", "Paddle", "Life Vest", "Deck Shoes"],
}
STYLES = {
    "Ultralight": ("Feather", "Saves every gram for long days on the move."),
    "Family": ("Hearth", "Easy to use and roomy, for adults and children."),
    "Expedition": ("Granite", "Built to last in wind, wet and cold."),
}
USERS = 60


def items():
    number = 100
    for activity, kinds in ACTIVITIES.items():
        for kind in kinds:
            for style, (brand, text) in STYLES.items():
                number += 1
                yield {"product_id": f"P{number}", "product_name": f"{brand} {style} {kind}", "category": activity,
                       "brand": brand, "price": f"{15 + (number * 37) % 180}.90",
                       "description": f"{kind} for {activity.lower()}. {text}"}


def purchases(draw, catalogue):
    for user in range(1, USERS + 1):
        activity, style = draw.choice(list(ACTIVITIES)), draw.choice(list(STYLES))
        day = datetime.datetime(2026, 3, 1, 9) + datetime.timedelta(minutes=draw.randrange(60 * 24 * 60))
        left = list(catalogue)
        for _ in range(draw.randint(4, 7)):
            weights = [(12 if i["category"] == activity else 1) * (5 if style in i["product_name"] else 1) for i in left]
            item = draw.choices(left, weights)[0]
            left.remove(item)
            yield {"customer_id": f"C{user:03d}", "product_id": item["product_id"],
                   "date": day.strftime("%Y-%m-%d %H:%M"), "quantity": draw.choice([1, 1, 1, 2])}
            day += datetime.timedelta(minutes=draw.randrange(30, 20 * 24 * 60))


def write(name, rows):
    with open(os.path.join(HERE, name), "w", newline="", encoding="utf-8") as f:
        table = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    goods = list(items())
    write("items.csv", goods)
    write("purchases.csv", sorted(purchases(random.Random(7), goods), key=lambda p: p["date"]))
