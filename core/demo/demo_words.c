/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_words: the vocabulary of the synthetic shop.
 */
#include <stdio.h>

#include "core/demo/demo_catalogue.h"

static const struct {
    const char *name;
    const char *kinds[DEMO_KINDS_EACH];
    const char *nouns[DEMO_KINDS_EACH];
    const char *brands[DEMO_BRANDS_EACH];
} departments[DEMO_DEPARTMENTS] = {
    {"Outdoor",
     {"Tents", "Sleeping Bags", "Backpacks", "Lanterns", "Camp Stoves", "Water Bottles"},
     {"Tent", "Sleeping Bag", "Backpack", "Lantern", "Camp Stove", "Water Bottle"},
     {"Fellgate", "Norrhavn", "Tarn & Co", "Windward", "Birkett"}},
    {"Kitchen",
     {"Frying Pans", "Knives", "Kettles", "Mugs", "Baking Tins", "Storage Jars"},
     {"Frying Pan", "Kitchen Knife", "Kettle", "Mug", "Baking Tin", "Storage Jar"},
     {"Ostara", "Quern", "Hearthline", "Pellet & Son", "Marrow"}},
    {"Toys",
     {"Puzzles", "Building Blocks", "Plush Animals", "Board Games", "Model Trains", "Kites"},
     {"Puzzle", "Block Set", "Plush Animal", "Board Game", "Model Train", "Kite"},
     {"Tumbledown", "Wren & Fox", "Klotz", "Little Orbit", "Pipkin"}},
    {"Music",
     {"Guitars", "Headphones", "Keyboards", "Drum Pads", "Microphones", "Turntables"},
     {"Guitar", "Headphones", "Keyboard", "Drum Pad", "Microphone", "Turntable"},
     {"Halyard", "Sonder", "Vielle", "Octavo", "Brass Lane"}},
    {"Garden",
     {"Planters", "Watering Cans", "Bird Feeders", "Garden Chairs", "Hand Tools", "Fairy Lights"},
     {"Planter", "Watering Can", "Bird Feeder", "Garden Chair", "Trowel Set", "Fairy Lights"},
     {"Loam", "Greenlaw", "Thrushfield", "Spade & Ivy", "Hollin"}},
    {"Clothing",
     {"Jackets", "Jumpers", "Scarves", "Trainers", "Belts", "Rain Hats"},
     {"Jacket", "Jumper", "Scarf", "Trainers", "Belt", "Rain Hat"},
     {"Carder", "Selvedge", "Mistral", "Ashdown", "Pike Street"}},
    {"Office",
     {"Notebooks", "Fountain Pens", "Desk Lamps", "Desk Organisers", "Chairs", "Whiteboards"},
     {"Notebook", "Fountain Pen", "Desk Lamp", "Desk Organiser", "Office Chair", "Whiteboard"},
     {"Inkwell", "Foolscap", "Lumen", "Quire", "Straightedge"}},
    {"Sport",
     {"Yoga Mats", "Dumbbells", "Footballs", "Tennis Rackets", "Swim Goggles", "Cycle Lights"},
     {"Yoga Mat", "Dumbbell", "Football", "Tennis Racket", "Swim Goggles", "Cycle Light"},
     {"Tempo", "Kinetic", "Baseline", "Crosswind", "Stride"}},
};

static const char *const styles[DEMO_STYLES] = {"Classic", "Modern",     "Rustic",  "Retro",
                                                "Sporty",  "Minimalist", "Playful", "Industrial"};

static const char *const colours[DEMO_COLOURS] = {"Red",   "Blue",  "Green", "Black",  "White",
                                                  "Amber", "Slate", "Coral", "Violet", "Sand"};

static const char *const series[] = {"Aria", "Bolt",  "Cove", "Dune",  "Echo", "Fern",
                                     "Glen", "Heron", "Isle", "Jetty", "Kite", "Lark",
                                     "Moor", "Nook",  "Opal", "Pine"};

void demo_title(const demo_item *it, uint32_t index, char out[DEMO_TITLE_MAX])
{
    unsigned department = it->kind / DEMO_KINDS_EACH;
    snprintf(out, DEMO_TITLE_MAX, "%s %s %s %s %s %u", departments[department].brands[it->brand],
             styles[it->style], colours[it->colour],
             departments[department].nouns[it->kind % DEMO_KINDS_EACH],
             series[index % (sizeof series / sizeof series[0])], index % 900 + 100);
}

/* How descriptions express a style. */
static const char *const manners[DEMO_STYLES] = {"Timeless lines that go with everything",
                                                 "Clean, bright and up to date",
                                                 "Rough wood, warm light and a country feeling",
                                                 "Straight from the seventies, curves included",
                                                 "Light, quick and ready for the weekend",
                                                 "Nothing on it that it does not need",
                                                 "Cheerful shapes that make people smile",
                                                 "Bare metal and honest rivets, like a workshop"};

static const char *const uses[] = {"for every day", "as a gift", "for small homes", "for beginners",
                                   "for those who know what they want"};

void demo_description(const demo_item *it, uint32_t index, char out[DEMO_DESCRIPTION_MAX])
{
    unsigned department = it->kind / DEMO_KINDS_EACH;
    char first[DEMO_TITLE_MAX * 2];
    const char *noun = departments[department].nouns[it->kind % DEMO_KINDS_EACH];
    const char *brand = departments[department].brands[it->brand];
    switch (index % 3) {
    case 0:
        snprintf(first, sizeof first, "A %s in %s by %s", noun, colours[it->colour], brand);
        break;
    case 1:
        snprintf(first, sizeof first, "%s makes this %s in %s", brand, noun, colours[it->colour]);
        break;
    default: snprintf(first, sizeof first, "%s, by %s. In %s", noun, brand, colours[it->colour]);
    }
    snprintf(out, DEMO_DESCRIPTION_MAX, "<p>%s. %s. From our %s, good %s.</p>", first,
             manners[it->style], departments[department].kinds[it->kind % DEMO_KINDS_EACH],
             uses[index % (sizeof uses / sizeof uses[0])]);
}

const char *demo_department(const demo_item *it)
{
    return departments[it->kind / DEMO_KINDS_EACH].name;
}

const char *demo_kind(const demo_item *it)
{
    return departments[it->kind / DEMO_KINDS_EACH].kinds[it->kind % DEMO_KINDS_EACH];
}

const char *demo_style(const demo_item *it)
{
    return styles[it->style];
}

const char *demo_colour(const demo_item *it)
{
    return colours[it->colour];
}

const char *demo_brand(const demo_item *it)
{
    return departments[it->kind / DEMO_KINDS_EACH].brands[it->brand];
}
