"""The words of the domain: what callers and dispatchers say, lower case, numbers as words."""

from __future__ import annotations


def _phrases(text: str) -> list[str]:
    """Phrases between bars; line breaks count as spaces."""
    return [" ".join(phrase.split()) for phrase in text.split("|")]


ONES = "zero one two three four five six seven eight nine".split()

TEENS = """
ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
""".split()

TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()

STREET_NAMES = """
main church mill oak maple cedar pine elm walnut willow birch chestnut river lake hill park
garden station market bridge queen king victoria albert george william charles washington
lincoln jefferson madison jackson franklin harrison wilson clinton monroe adams baker carter
cooper fisher forest foster spring summer winter sunset highland meadow orchard valley canyon
harbor ocean beach bay castle college university school hospital railway airport industrial
commercial liberty union state court centre broadway riverside lakeside hillside parkside
""".split()

STREET_KINDS = """
street road avenue lane drive court place way boulevard square close crescent terrace highway
""".split()

TOWNS = """
springfield riverton ashford milton bristol oxford cambridge newport salem dover chester
lancaster brighton kingston richmond bedford windsor weston clayton burlington georgetown
greenville fairview franklin marion arlington
""".split()

FIRST_NAMES = """
john mary david sarah michael linda james karen robert susan peter anna thomas julia daniel
laura mark emma paul alice steven rachel kevin helen brian nancy george olivia henry sophie
martin grace
""".split()

SURNAMES = """
smith johnson brown taylor miller wilson moore anderson jackson harris martin thompson clark
lewis walker hall young king wright scott green adams baker nelson carter mitchell turner
phillips campbell parker evans edwards
""".split()

UNITS = "engine ladder medic ambulance rescue unit squad truck battalion patrol".split()

PHONETIC = """
alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar
papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu
""".split()

PEOPLE = _phrases("""
my husband | my wife | my mother | my father | my son | my daughter | my brother | my sister |
my neighbour | my friend | a man | a woman | a child | a boy | a girl | an old man | an elderly
woman | a young man | a pedestrian | a cyclist | the driver | a passenger | a worker | my
grandmother | my grandfather | the baby | the patient
""")

CONDITIONS = _phrases("""
is not breathing | is unconscious | has chest pain | is bleeding heavily | has a broken leg |
has a broken arm | fell down the stairs | fell off a ladder | is having a seizure | is having a
stroke | is choking | cannot breathe | collapsed in the kitchen | collapsed on the street | has
a high fever | is in a lot of pain | has been stabbed | has been hit by a car | has a head
injury | is burned on both hands | took too many pills | is having an allergic reaction | is
diabetic and very weak | cannot move | is going into labour | feels dizzy and sick | has
stopped responding | is trapped under a machine | has cut a hand very badly | was bitten by a
dog
""")

EVENTS = _phrases("""
a house fire | a car fire | a kitchen fire | a fire alarm | a gas leak | a car accident | a
traffic collision | a truck accident | a motorcycle crash | a robbery | a burglary | a fight |
a stolen car | a missing child | a power line down | a flooded road | a fallen tree | a
building collapse | a chemical spill | an explosion | a forest fire | smoke in the basement |
smoke on the second floor | water in the cellar | a suspicious package | a domestic dispute |
an armed man | a person in the water | a stuck elevator | a medical emergency | a broken window
| a loud noise | an overturned bus
""")

COLOURS = "red blue green white black grey silver yellow brown orange".split()

VEHICLES = "car truck van bus taxi motorcycle bicycle pickup tractor trailer".split()

PLACES = _phrases("""
the school | the hospital | the station | the supermarket | the bank | the church | the library
| the hotel | the airport | the park | the bridge | the pharmacy | the factory | the warehouse
| the stadium | the police station | the fire station | the gas station | the shopping centre |
the post office | the town hall | the car park | the playground | the swimming pool | the
restaurant | the bus stop | the museum | the theatre | the harbor | the river
""")

PREPOSITIONS = _phrases("""
near | next to | behind | in front of | across from | opposite | at | outside | close to |
inside
""")

ACTIONS = _phrases("""
send an ambulance | send the police | send the fire department | please hurry | please send
help | send two ambulances | send a rescue team | please come quickly | we need help right now
| stay on the line | do not hang up | start chest compressions | open the front door | keep the
patient warm | move everyone away | close all the windows | turn off the gas | get out of the
building | do not move the patient | put pressure on the wound | check if the patient is
breathing | call back on this number
""")

STATUSES = _phrases("""
en route | on scene | available | returning to station | clear of the scene | transporting one
patient | requesting backup | requesting a second ambulance | standing by | out of service |
staging two blocks away | responding with lights and sirens | awaiting instructions | leaving
the hospital | in position
""")

HOSPITALS = _phrases("""
general hospital | memorial hospital | saint mary hospital | university hospital | county
hospital | children hospital
""")

ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()

DIRECTIONS = "north south east west northbound southbound eastbound westbound".split()

TIME_UNITS = "minutes hours seconds days".split()

DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()

MONTHS = """
january february march april may june july august september october november december
""".split()
