//! The page of a report in a real browser: Debian's `chromium`, headless. `.ci/run` runs these with
//! the other ignored tests; pictures of the page are left in `target/tmp`.

mod browser;

use std::path::Path;

use browser::Browser;
use serde_json::Value;

use crate::common::place::Place;

/// The file of a page in its folder.
const PAGE: &str = "a.html";

/// The page of a report.
fn page(corpus: Corpus) -> Place {
    let place = match corpus {
        Corpus::Sums | Corpus::Learned => Place::with_lines(3000, "uniform"),
        Corpus::Prose => Place::new(),
    };
    match corpus {
        Corpus::Sums => place.ok("report a.txt --html a.html"),
        Corpus::Learned => place.ok("report --learn=pico,tiny a.txt --html a.html"),
        Corpus::Prose => {
            place.write("a.txt", PROSE.repeat(50));
            place.ok("report a.txt --html a.html")
        }
    };
    place
}

#[derive(Clone, Copy)]
enum Corpus {
    Sums,
    /// The account of coding the sums while learning.
    Learned,
    Prose,
}

const PROSE: &str = "It was the best of times, it was the worst of times, it was the age of wisdom,\n\
    it was the age of foolishness & \"doubt\", <b>it was the epoch of belief</b>,\n";

/// Name, marks and texts of each figure, and texts that are not within it.
const FIGURES: &str = r#"[...document.querySelectorAll("section svg")].map(svg => {
    const box = svg.getBoundingClientRect();
    const seen = [...svg.querySelectorAll("text")].filter(t => !t.closest(".tip"));
    const outside = t => {
        const b = t.getBoundingClientRect();
        return b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1 || b.bottom > box.bottom + 1;
    };
    const overlap = (a, b) => {
        const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
        const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        return wide > 1 && high > 3;
    };
    const pairs = seen.flatMap((a, i) => seen.slice(i + 1).filter(b => overlap(a, b)).map(b => [a, b]));
    return {
        name: svg.closest("section").id,
        role: svg.getAttribute("role"),
        title: svg.querySelector("title").textContent,
        description: svg.querySelector("desc").textContent,
        marks: svg.querySelectorAll("rect, path, circle").length,
        texts: seen.map(t => t.textContent),
        outside: seen.filter(outside).map(t => t.textContent),
        overlapping: pairs.map(pair => pair.map(t => t.textContent)),
        table: svg.closest("section").querySelectorAll("details tr").length,
    };
})"#;

#[test]
#[ignore = "needs Chromium"]
fn every_figure_has_its_marks_and_text() {
    let place = page(Corpus::Sums);
    assert!(place.len(PAGE) < 1_000_000);
    let mut browser = Browser::start();
    browser.resize(1000, 800, false);
    browser.open(&place.path(PAGE));
    let expected = [
        ("chain", 15, "7  archive"),
        ("lines", 392, "The lines that cost most"),
        ("positions", 80, "c9"),
        ("training", 8, "emergence ends: "),
        ("code-length", 5, "bytes above the floor"),
        ("peers", 6, "xz -9e"),
        ("two-part", 8, "weights and data"),
    ];
    assert_figures(&mut browser, &expected);
}

#[test]
#[ignore = "needs Chromium"]
fn learning_has_its_figures() {
    let place = page(Corpus::Learned);
    assert!(place.len(PAGE) < 1_000_000);
    let mut browser = Browser::start();
    browser.resize(1000, 800, false);
    browser.open(&place.path(PAGE));
    let expected = [
        ("learning-curve", 10, "floor 53.15"),
        ("learning-archive", 14, "floor: "),
        ("learning-positions", 60, "c9"),
        ("learning-sizes", 8, "two-part code"),
    ];
    assert_figures(&mut browser, &expected);
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR"));
    browser.picture(&pictures.join("learning-light.png"));
    browser.show_as("screen", "dark");
    browser.picture(&pictures.join("learning-dark.png"));
}

/// Each figure of the page has its name, so many marks, a text that begins so, words for those who do
/// not see it, its numbers; nothing is cut off or covered, and the page loads nothing from elsewhere.
fn assert_figures(browser: &mut Browser, expected: &[(&str, u64, &str)]) {
    let figures = browser.value(FIGURES);
    let figures = figures.as_array().unwrap();
    assert_eq!(figures.len(), expected.len());
    for (figure, &(name, marks, text)) in figures.iter().zip(expected) {
        assert_eq!((&figure["name"], &figure["role"]), (&name.into(), &"img".into()));
        assert!(figure["marks"].as_u64().unwrap() >= marks, "{name}: {}", figure["marks"]);
        let texts = figure["texts"].as_array().unwrap();
        let has = texts.iter().any(|t| t.as_str().unwrap().starts_with(text));
        assert!(has, "{name}: {texts:?}");
        for alternative in ["title", "description"] {
            assert!(figure[alternative].as_str().unwrap().len() > 20, "{name}: {alternative}");
        }
        assert!(figure["table"].as_u64().unwrap() > 2, "{name}");
        assert_eq!(figure["outside"], Value::Array(Vec::new()), "{name}");
        assert_eq!(figure["overlapping"], Value::Array(Vec::new()), "{name}");
    }
    assert_eq!(browser.complaints(), [""; 0]);
    let foreign = |url: &&String| !url.starts_with("file://") && !url.starts_with("data:");
    assert_eq!(browser.requests().iter().find(foreign), None);
    assert_eq!(browser.value("document.scripts.length"), 0);
}

#[test]
#[ignore = "needs Chromium"]
fn pointing_at_a_token_shows_what_was_expected() {
    let place = page(Corpus::Sums);
    let mut browser = Browser::start();
    browser.resize(1000, 800, false);
    browser.open(&place.path(PAGE));
    let shown = r##"[...document.querySelectorAll("#lines .tip")]
        .filter(tip => getComputedStyle(tip).visibility == "visible").map(tip => tip.querySelector("text").textContent)"##;
    browser.point_at(1.0, 1.0);
    assert_eq!(browser.value(shown), Value::Array(Vec::new()));
    // The fourth token of the first line, then the twentieth of the second.
    for (line, token) in [(0, 3), (1, 19)] {
        let cell = format!("document.querySelectorAll('#lines .cell')[{}]", 28 * line + token);
        browser.value(&format!("{cell}.scrollIntoView({{ block: 'center' }})"));
        let place = browser.value(&format!(
            "(() => {{ const b = {cell}.querySelector('rect').getBoundingClientRect(); return [b.x + 5, b.y + 5]; }})()"
        ));
        browser.point_at(place[0].as_f64().unwrap(), place[1].as_f64().unwrap());
        let shown = browser.value(shown);
        let texts = shown.as_array().unwrap();
        assert_eq!(texts.len(), 1, "{shown}");
        let text = texts[0].as_str().unwrap();
        assert!(text.contains(&format!("token {}: ", token + 1)) && text.contains("bits"), "{text}");
        let bars = browser.value(&format!("{cell}.querySelectorAll('.tip path').length"));
        assert_eq!(bars, 2);
    }
    browser.point_at(1.0, 1.0);
    assert_eq!(browser.value(shown), Value::Array(Vec::new()));
}

/// Text and paper are far apart, and on a phone nothing but the figures scrolls sideways.
#[test]
#[ignore = "needs Chromium"]
fn light_dark_paper_and_phone() {
    let place = page(Corpus::Sums);
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut browser = Browser::start();
    browser.resize(1000, 800, false);
    browser.open(&place.path(PAGE));
    for (medium, scheme, is_light) in
        [("screen", "light", true), ("screen", "dark", false), ("print", "dark", true)]
    {
        browser.show_as(medium, scheme);
        let luminance = |browser: &mut Browser, of: &str| {
            let colour = browser.value(of);
            let numbers: Vec<f64> = colour
                .as_str()
                .unwrap()
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|n| n.parse().ok())
                .collect();
            numbers[..3].iter().sum::<f64>() / 3.0
        };
        let paper = luminance(&mut browser, "getComputedStyle(document.documentElement).backgroundColor");
        let ink = luminance(
            &mut browser,
            "getComputedStyle(document.querySelector('#chain text:not([class])')).fill",
        );
        let seen = if is_light { paper - ink } else { ink - paper };
        assert!(seen > 200.0, "{medium} {scheme}: {paper} {ink}");
        browser.picture(&pictures.join(format!("report-{medium}-{scheme}.png")));
    }
    browser.show_as("screen", "light");
    browser.resize(390, 800, true);
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 390);
    let letters =
        browser.value("document.querySelector('#chain text:not([class])').getBoundingClientRect().height");
    assert!(letters.as_f64().unwrap() > 11.0, "{letters}");
    browser.picture(&pictures.join("report-phone.png"));
    println!("pictures: {}", pictures.display());
}

#[test]
#[ignore = "needs Chromium"]
fn a_text_that_no_model_fits_has_a_page() {
    let place = page(Corpus::Prose);
    let mut browser = Browser::start();
    browser.open(&place.path(PAGE));
    let claim = browser.value("document.querySelector('.claim').textContent");
    assert!(claim.as_str().unwrap().contains("cannot be weighed"), "{claim}");
    let reason = browser.value("document.querySelector('header').textContent");
    assert!(reason.as_str().unwrap().contains("line 1 is no right sum"), "{reason}");
    let names = browser.value("[...document.querySelectorAll('section')].map(s => s.id).join()");
    assert_eq!(names, "chain,training,code-length,peers,two-part");
    assert_eq!(browser.complaints(), [""; 0]);
}
