"""The checker of Bicep: each class of mistake is found where it is, and nothing else is."""

from pathlib import Path

import pytest

from infra.bicep import checker
from infra.bicep.types import TypeData
from infra.samples import expected, places, written

OWN = {
    "types": [
        {"t": "Object", "name": "box", "properties": {
            "id": [2, 1], "name": [9, 6], "location": [1, 1], "tags": [0, 4], "properties": [0, 2], "kind": [0, 5],
            "sku": [0, 12],
        }},
        {"t": "String"},
        {"t": "Object", "name": "inside", "properties": {
            "size": [0, 3], "secret": [0, 7], "list": [0, 8], "isOpen": [0, 9], "state": [2, 1], "way": [0, 13],
        }},
        {"t": "Integer", "minValue": 1, "maxValue": 10},
        {"t": "Object", "name": "tags", "add": 1},
        {"t": "Union", "el": [10, 11]},
        {"t": "String", "minLength": 2, "pattern": "^[a-z]+$"},
        {"t": "String", "sensitive": True},
        {"t": "Array", "item": 3, "maxLength": 2},
        {"t": "Boolean"},
        {"t": "StringLiteral", "value": "small"},
        {"t": "StringLiteral", "value": "large"},
        {"t": "Union", "el": [10, 1]},
        {"t": "DiscriminatedObject", "discriminator": "by", "el": {"sea": 14, "air": 15}},
        {"t": "Object", "name": "sea", "properties": {"by": [1, 1], "depth": [1, 3]}},
        {"t": "Object", "name": "air", "properties": {"by": [1, 1]}},
    ],
    "resources": {
        "Own.Things/boxes@2025-01-01": {"scopes": 8, "body": 0},
        "Own.Things/boxes/parts@2025-01-01": {"scopes": 8, "body": 0},
        "Own.Things/rules@2025-01-01": {"scopes": 4, "body": 0},
    },
}  # fmt: skip
"""Types of our own, in the form of Azure's."""

TYPES = TypeData(OWN)
KIND = "'Own.Things/boxes@2025-01-01'"
PART = "'Own.Things/boxes/parts@2025-01-01'"
BOX = f"resource box {KIND} = "
HEAD = "name: 'a${1}', location: 'x'"

SAMPLES = {
    "sound": f"""
targetScope = 'resourceGroup'
@description('Required. Where.')
@minLength(2)
param place string
@allowed(['small', 'large'])
param size string = 'small'
param wanted bool = true
var all = [for number in range(0, 3): {{ at: number, place: place }}]
{BOX}if (wanted) {{
  name: 'boxes'
  location: place
  kind: size
  tags: {{ anything: 'goes' }}
  properties: {{ size: length(all), list: [1, 2], isOpen: !wanted, way: {{ by: 'sea', depth: 2 }} }}
}}
resource parts 'Own.Things/boxes/parts@2025-01-01' = [
  for (part, index) in all: if (index > 0) {{
    parent: box
    name: 'part'
    location: part.place // each its own
  }}
]
output id string = box.id
output size int = box.properties.size
output state string = box.?properties.state ?? ''
""",
    "syntax": "param = 3 // !! syntax\n",
    "unknown name": f"{BOX}{{ name: nobody, location: 'x' }} // !! BCP057\n",
    "unknown function": f"{BOX}{{ name: nothing(), location: 'x' }} // !! BCP057\n",
    "unknown decorator": "@wise() // !! BCP057\nparam size int\noutput same int = size\n",
    "loop variable outside": "var all = [for n in [1]: n]\noutput last int = n + length(all) // !! BCP057\n",
    "unused parameter": "param size int // !! no-unused-params\n",
    "unused variable": "var size = 3 // !! no-unused-vars\n",
    "unused existing": f"resource box {KIND} existing = {{ name: 'aa' }} // !! no-unused-existing-resources\n",
    "declared twice": "param size int\nvar size = 3 // !! BCP028\noutput same int = size\n",
    "unknown type": "resource box 'Own.Things/crates@2025-01-01' = { name: 'aa' } // !! BCP081\n",
    "unknown version": f"resource box 'Own.Things/boxes@2024-01-01' = {{ {HEAD} }} // !! BCP081\n",
    "no version": f"resource box 'Own.Things/boxes' = {{ {HEAD} }} // !! BCP081\n",
    "unknown property": f"{BOX}{{ {HEAD}, colour: 'red' }} // !! BCP037\n",
    "wrong case": f"{BOX}{{ {HEAD}, Kind: 'small' }} // !! BCP037\n",
    "missing property": f"{BOX}{{ name: 'aa' }} // !! BCP035\n",
    "property twice": f"{BOX}{{\n  {HEAD}\n  kind: 'small'\n  kind: 'small' // !! BCP025\n}}\n",
    "read-only property": f"{BOX}{{ {HEAD}, properties: {{ state: 'done' }} }} // !! BCP073\n",
    "word of a closed list": f"{BOX}{{ {HEAD}, kind: 'medium' }} // !! BCP088\n",
    "word of an open list": f"{BOX}{{ {HEAD}, sku: 'medium' }} // !! BCP088\n",
    "word in a branch": f"param is bool\n{BOX}{{ {HEAD}, kind: is ? 'small' : 'medium' }} // !! BCP088\n",
    "word of a parameter": f"@allowed(['small', 'tiny'])\nparam s string\n{BOX}{{ {HEAD}, kind: s }} // !! BCP088\n",
    "number too large": f"{BOX}{{ {HEAD}, properties: {{ size: 11 }} }} // !! BCP328\n",
    "number in an array": f"{BOX}{{ {HEAD}, properties: {{ list: [0] }} }} // !! BCP328\n",
    "too many items": f"{BOX}{{ {HEAD}, properties: {{ list: [1, 2, 3] }} }} // !! BCP332\n",
    "text too short": f"{BOX}{{ name: 'a', location: 'x' }} // !! BCP332\n",
    "text of wrong form": f"{BOX}{{ name: 'A1', location: 'x' }} // !! pattern\n",
    "text for a number": f"{BOX}{{ {HEAD}, properties: {{ size: '3' }} }} // !! BCP036\n",
    "number for a flag": f"{BOX}{{ {HEAD}, properties: {{ isOpen: 1 }} }} // !! BCP036\n",
    "parameter of wrong kind": f"param size string\n{BOX}{{ {HEAD}, properties: {{ size: size }} }} // !! BCP036\n",
    "id for a number": f"{BOX}{{ {HEAD} }}\noutput x int = box.id // !! BCP033\n",
    "literal secret": f"{BOX}{{ {HEAD}, properties: {{ secret: 'abc' }} }} // !! secret-literal\n",
    "no discriminator": f"{BOX}{{ {HEAD}, properties: {{ way: {{ depth: 2 }} }} }} // !! BCP078\n",
    "unknown discriminator": f"{BOX}{{ {HEAD}, properties: {{ way: {{ by: 'land' }} }} }} // !! BCP036\n",
    "missing in its branch": f"{BOX}{{ {HEAD}, properties: {{ way: {{ by: 'sea' }} }} }} // !! BCP035\n",
    "wrong scope": f"targetScope = 'subscription'\n{BOX}{{ {HEAD} }} // !! BCP135\n",
    "wrong parent": f"{BOX}{{ {HEAD} }}\nresource a {KIND} = {{ parent: box, {HEAD} }} // !! BCP036\n",
    "child by itself": f"resource a {PART} = {{ name: 'part', location: 'x' }} // !! BCP169\n",
    "unknown member": f"{BOX}{{ {HEAD} }}\noutput x string = box.properties.statte // !! BCP053\n",
    "default of wrong kind": "param size int = 'three' // !! BCP033\noutput same int = size\n",
    "default not allowed": "@allowed(['a', 'b'])\nparam size string = 'c' // !! BCP033\noutput same string = size\n",
    "default out of bounds": "@maxValue(3)\nparam size int = 4 // !! BCP328\noutput same int = size\n",
}

MODULE = (
    "@allowed(['a', 'b'])\nparam word string\n@minValue(1)\nparam size int = 3\noutput both string = '${word}${size}'\n"
)
CALL = "module part 'part.bicep' = {{ name: 'p', params: {{ {} }} }}"
CALLS = {
    "sound": CALL.format("word: 'a'"),
    "missing parameter": CALL.format("size: 3") + " // !! BCP035",
    "unknown parameter": CALL.format("word: 'a', colour: 'red'") + " // !! BCP037",
    "word not allowed": CALL.format("word: 'c'") + " // !! BCP033",
    "number out of bounds": CALL.format("word: 'a', size: 0") + " // !! BCP328",
    "wrong kind": CALL.format("word: 'a', size: 'x'") + " // !! BCP033",
    "unknown output": CALL.format("word: 'a'") + "\noutput x string = part.outputs.neither // !! BCP053",
    "missing file": CALL.format("word: 'a'") + "\nmodule a 'a.bicep' = { name: 'q' } // !! BCP091",
    "missing scope": "targetScope = 'subscription'\n" + CALL.format("word: 'a'") + " // !! BCP134",
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_mistake_in_a_file_is_found_on_its_line(sample: str, tmp_path: Path) -> None:
    """What a sample owns up to is found, and nothing else."""
    files = {"main.bicep": SAMPLES[sample]}
    found = checker.check(written(tmp_path, files), TYPES)
    assert places(found, tmp_path) == expected(files)


@pytest.mark.parametrize("sample", CALLS)
def test_mistake_between_files_is_found_in_the_caller(sample: str, tmp_path: Path) -> None:
    """A module's parameters and outputs are its contract."""
    files = {"main.bicep": CALLS[sample] + "\n", "part.bicep": MODULE}
    found = checker.check(written(tmp_path, files), TYPES)
    assert places(found, tmp_path) == expected(files)


def test_file_that_nobody_deploys_is_found(tmp_path: Path) -> None:
    """Only what is reached from a main.bicep is deployed."""
    files = {"main.bicep": "var a = 1\noutput b int = a\n", "part.bicep": "output a int = 1 // !! unused-module\n"}
    assert places(checker.check(written(tmp_path, files), TYPES), tmp_path) == expected(files)


def test_bodies_are_taken_on_trust_without_types(tmp_path: Path) -> None:
    """Names and contracts are still checked."""
    files = {"main.bicep": f"{BOX}{{ nonsense: nobody }} // !! BCP057\n"}
    assert places(checker.check(written(tmp_path, files), None), tmp_path) == expected(files)
