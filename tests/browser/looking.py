"""What can be seen on a page: pictures of it in every size and colour scheme, what sticks out, what is drawn."""

from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Locator, Page

WIDTHS = (1280, 400)
SCHEMES = ("light", "dark")
HEIGHT = 900

_DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
_NAMED = """  // an element in a few words
    const named = e => `${e.tagName.toLowerCase()}#${e.id}.${e.className} ${e.textContent.trim().slice(0, 40)}`;"""
_TOO_WIDE = "() => {" + _NAMED + """
    const page = document.documentElement;
    if (page.scrollWidth <= page.clientWidth) return [];
    const scrolls = e => e !== page && e !== document.body
        && (getComputedStyle(e).overflowX !== 'visible' || (e.parentElement !== null && scrolls(e.parentElement)));
    return [`page: ${page.scrollWidth} px in ${page.clientWidth}`].concat([...document.body.querySelectorAll('*')]
        .filter(e => e.getBoundingClientRect().right > page.clientWidth + 0.5
            && !(e.parentElement !== null && scrolls(e.parentElement)))
        .slice(0, 12)
        .map(named));
}"""
_PIXELS = """canvas => {
    const [w, h] = [canvas.width, canvas.height];
    const bytes = w && h ? canvas.getContext('2d').getImageData(0, 0, w, h).data : [];
    const found = {};
    for (let i = 0; i < bytes.length; i += 4) {
        if (bytes[i + 3] < 128) continue;
        const colour = [0, 1, 2].map(k => (bytes[i + k] & 0xf0).toString(16).padStart(2, '0')).join('');
        found[colour] = (found[colour] || 0) + 1;
    }
    return found;
}"""
_TOO_FAINT = "() => {" + _NAMED + """
    const ink = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
        .getContext('2d', {willReadFrequently: true});
    const over = (...layers) => {  // the first is at the bottom
        ink.clearRect(0, 0, 1, 1);
        for (const layer of layers) { ink.fillStyle = layer; ink.fillRect(0, 0, 1, 1); }
        return [...ink.getImageData(0, 0, 1, 1).data];
    };
    const canvas = matchMedia('(prefers-color-scheme: dark)').matches ? '#121212' : '#ffffff';
    const behind = e => e === null ? [canvas] : [...behind(e.parentElement), getComputedStyle(e).backgroundColor];
    const opacity = e => e === null ? 1 : getComputedStyle(e).opacity * opacity(e.parentElement);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const texts = e => [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    const shown = e => e.checkVisibility({opacityProperty: true, visibilityProperty: true})
        && e.getBoundingClientRect().width > 1 && !e.closest(':disabled, svg, option');
    const found = [];
    for (const e of document.body.querySelectorAll('*')) {
        if (!texts(e) || !shown(e)) continue;
        const style = getComputedStyle(e), back = behind(e), clear = opacity(e);
        const ground = over(...back), letters = over(...back, style.color);
        const seen = letters.map((value, at) => ground[at] + (value - ground[at]) * clear);
        const [a, b] = [light(seen), light(ground)].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05), size = parseFloat(style.fontSize);
        const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        if (ratio < (isLarge ? 3 : 4.5) - 0.01)
            found.push(`${ratio.toFixed(2)} ${named(e)}`);
    }
    return found.slice(0, 12);
}"""


def views(page: Page) -> Iterator[str]:
    """The page in every width and colour scheme, one after the other, by name; afterwards as at first."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            show(page, width, scheme)
            yield f"{width}-{scheme}"
    show(page, WIDTHS[0], SCHEMES[0])


def show(page: Page, width: int, scheme: str) -> None:
    """Return once the page is drawn so wide, in px, and in a colour scheme."""
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    settle(page)


def settle(page: Page) -> None:
    """Return once the page has drawn what it knew."""
    page.evaluate(_DRAWN)


def keep_views(page: Page, artefacts: Path, name: str) -> None:
    """Pictures of the whole page in every view, as NAME-WIDTH-SCHEME.png."""
    for view in views(page):
        keep(page, artefacts, f"{name}-{view}")


def keep(page: Page, artefacts: Path, name: str) -> None:
    """A picture of the whole page as it is now."""
    page.screenshot(path=artefacts / f"{name}.png", full_page=True)


def too_wide(page: Page) -> list[str]:
    """What makes the page scroll sideways, at most a dozen elements; none where it does not."""
    found: list[str] = page.evaluate(_TOO_WIDE)
    return found


def pixels(canvas: Locator) -> dict[str, int]:
    """How many pixels of a canvas have which colour, as rrggbb in steps of 16; transparent ones are left out."""
    found: dict[str, int] = canvas.evaluate(_PIXELS)
    return found


def too_faint(page: Page) -> list[str]:
    """Texts that are hard to tell from what is behind them, at most a dozen. Source: WCAG 2.2, 1.4.3 and "contrast
    ratio": 4.5, or 3 for large letters; what is disabled does not count."""
    found: list[str] = page.evaluate(_TOO_FAINT)
    return found
