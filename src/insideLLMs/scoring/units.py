"""The units that numbers are compared in: names, and how they convert within one dimension."""

from collections.abc import Mapping
from fractions import Fraction

_TABLE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "length": (
        ("1/1000000000", "nm nanometer nanometre nanometers nanometres"),
        ("1/1000000", "μm micrometer micrometre micrometers micrometres"),
        ("1/1000", "mm millimeter millimetre millimeters millimetres"),
        ("1/100", "cm centimeter centimetre centimeters centimetres"),
        ("1", "m meter metre meters metres"),
        ("1000", "km kilometer kilometre kilometers kilometres"),
        ("0.0254", "inch inches"),
        ("0.3048", "ft foot feet"),
        ("0.9144", "yd yard yards"),
        ("1609.344", "mi mile miles"),
    ),
    "mass": (
        ("1/1000000", "mg milligram milligrams"),
        ("1/1000", "g gram grams gramme grammes"),
        ("1", "kg kilogram kilograms kilo kilos"),
        ("1000", "t tonne tonnes"),
        ("0.45359237", "lb lbs pound_mass"),
        ("0.028349523125", "oz ounce ounces"),
    ),
    "time": (
        ("1/1000", "ms millisecond milliseconds"),
        ("1", "s sec secs second seconds"),
        ("60", "min mins minute minutes"),
        ("3600", "h hr hrs hour hours"),
        ("86400", "d day days"),
        ("604800", "week weeks"),
    ),
    "months": (("1", "month months"), ("12", "year years yr yrs")),
    "volume": (
        ("1/1000", "ml milliliter millilitre milliliters millilitres"),
        ("1", "l liter litre liters litres"),
        ("1000", "m^3"),
    ),
    "area": (("1/10000", "cm^2"), ("1", "m^2"), ("1000000", "km^2"), ("10000", "ha hectare hectares")),
    "speed": (("1", "m/s"), ("5/18", "km/h kph"), ("0.44704", "mph")),
    "celsius": (("1", "°c"),),
    "fahrenheit": (("1", "°f"),),
    "kelvin": (("1", "°k kelvin"),),
    "angle": (("1", "° degree degrees"),),
    "data": (
        ("1", "byte bytes"),
        ("1000", "kb kilobyte kilobytes"),
        ("1000000", "mb megabyte megabytes"),
        ("1000000000", "gb gigabyte gigabytes"),
        ("1000000000000", "tb terabyte terabytes"),
        ("1024", "kib"),
        ("1048576", "mib"),
        ("1073741824", "gib"),
    ),
    "frequency": (
        ("1", "hz hertz"),
        ("1000", "khz kilohertz"),
        ("1000000", "mhz megahertz"),
        ("1000000000", "ghz gigahertz"),
    ),
    "power": (("1", "watt watts"), ("1000", "kw kilowatt kilowatts"), ("1000000", "megawatt megawatts")),
    "energy": (
        ("1", "joule joules"),
        ("1000", "kj kilojoule kilojoules"),
        ("4.184", "calorie calories"),
        ("4184", "kcal kilocalorie kilocalories"),
        ("3600000", "kwh"),
    ),
    "force": (("1", "newton newtons"), ("1000", "kn kilonewton kilonewtons")),
    "pressure": (("1", "pa pascal pascals"), ("1000", "kpa"), ("100000", "bar bars"), ("101325", "atm")),
    "voltage": (("1", "volt volts"), ("1/1000", "mv millivolt millivolts"), ("1000", "kv kilovolt kilovolts")),
    "current": (("1", "ampere amperes amps amp"), ("1/1000", "ma milliampere milliamperes")),
    "percent": (
        ("1", "% percent percents percentage pct prozent porcentaje pourcent процент процента процентов"),
        ("1/10", "‰"),
    ),
    "USD": (("1", "$ usd us$ dollar dollars"), ("1/100", "cent cents")),
    "EUR": (("1", "€ eur euro euros"),),
    "GBP": (("1", "£ gbp"),),
    "JPY": (("1", "¥ jpy yen"),),
    "INR": (("1", "₹ inr rs rupee rupees"),),
    "RUB": (("1", "₽ rub"),),
    "KRW": (("1", "₩ krw won"),),
    "TRY": (("1", "₺ try"),),
    "CHF": (("1", "chf"),),
}
_FACTORS = {
    name: (dimension, Fraction(factor))
    for dimension, units in _TABLE.items()
    for factor, names in units
    for name in names.split()
}
_CANONICAL = {name: names.split()[0] for units in _TABLE.values() for _, names in units for name in names.split()}
_SYMBOLS = ("$", "€", "£", "¥", "₹", "₽", "₩", "₺", "usd", "eur", "gbp", "jpy", "chf", "inr", "rs", "us$")
CURRENCIES = {symbol.upper(): _CANONICAL[symbol] for symbol in _SYMBOLS}


def unit_named(word: str) -> str:
    """Return the canonical name of a unit ("km" for "kilometres"), or "" for a word that is none."""
    folded = "".join(word.casefold().rstrip(".").replace("per", "/").split())
    return _CANONICAL.get(folded) or _CANONICAL.get(word.casefold().strip().rstrip("."), "")


def conversion(source: str, target: str) -> Fraction | None:
    """Return what a value in `source` is multiplied by to be in `target`; None where they do not convert."""
    from_dimension, from_factor = _FACTORS[source]
    to_dimension, to_factor = _FACTORS[target]
    return from_factor / to_factor if from_dimension == to_dimension else None
