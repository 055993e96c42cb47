//! The documentation's links lead somewhere, its chapters' programs are compiled, and the tests that
//! it names are there.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Where the files are that have the programs of chapters compiled or compared.
const COMPILED_BY: [&str; 5] = [
    "examples/lib.rs",
    "tests/src/lib.rs",
    "tests/tests/event_loop_chapter.rs",
    "sockjs-tokio/src/lib.rs",
    "sockjs-async-std/src/lib.rs",
];

/// Chapters that name tests, by `file::test`.
const NAMING_TESTS: [&str; 2] = ["docs/coming-from-sockjs-node.md", "docs/coming-from-tornado.md"];

/// The folders of the tests that are named.
const TESTS: [(&str, &str); 4] = [
    ("", "tests/application"),
    ("conformance/", "tests/conformance"),
    ("integrations/", "tests/integrations"),
    ("deterministic/", "sockjs-driver/tests/deterministic"),
];

/// What is of interest in a page.
#[derive(Default)]
struct Page {
    /// As they are written.
    links: Vec<String>,
    /// What links may name after `#`.
    anchors: BTreeSet<String>,
    has_rust: bool,
    /// What stands between backquotes.
    codes: Vec<String>,
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let mut broken = Vec::new();
    let mut count = 0;
    for (path, page) in &pages {
        for link in page.links.iter().filter(|link| !link.contains("://")) {
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { join(path, file) };
            let leads = match pages.get(&target) {
                Some(page) => anchor.is_empty() || page.anchors.contains(anchor),
                None => anchor.is_empty() && root().join(&target).exists(),
            };
            if !leads {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(count > 50, "only {count} links are found");
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn the_table_of_contents_has_every_chapter() {
    let pages = pages();
    let contents = Path::new("docs/README.md");
    let listed: BTreeSet<_> =
        pages[contents].links.iter().map(|link| join(contents, link)).collect();
    let chapters = pages.keys().filter(|path| path.starts_with("docs") && *path != contents);
    let missing: Vec<_> = chapters.filter(|path| !listed.contains(*path)).collect();
    assert!(missing.is_empty(), "not in docs/README.md: {missing:?}");
}

#[test]
fn programs_are_compiled() {
    let compiled: Vec<_> = COMPILED_BY.iter().map(|file| read(&root().join(file))).collect();
    let is_compiled = |path: &Path| {
        let name = format!("{}\")", path.display());
        // A crate's own README is included by its name alone.
        let readme = path.parent().map(|folder| folder.join("src/lib.rs"));
        let own = readme.map(|source| fs::read_to_string(root().join(source)).unwrap_or_default());
        compiled.iter().any(|source| source.contains(&name))
            || path.ends_with("README.md")
                && own.is_some_and(|source| source.contains("include_str!(\"../README.md\")"))
    };
    let pages = pages();
    let left: Vec<_> =
        pages.iter().filter(|(path, page)| page.has_rust && !is_compiled(path)).collect();
    let left: Vec<_> = left.into_iter().map(|(path, _)| path).collect();
    assert!(left.is_empty(), "programs that nothing compiles are in {left:?}");
}

#[test]
fn tests_that_are_named_exist() {
    let pages = pages();
    let mut sources = BTreeMap::new();
    for chapter in NAMING_TESTS {
        let names = pages[Path::new(chapter)].codes.iter().filter_map(|code| {
            let (file, test) = code.split_once("::")?;
            let is_name =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_/".contains(c);
            (file != "file" && code.replace("::", "").chars().all(is_name)).then_some((file, test))
        });
        let mut count = 0;
        for (file, test) in names {
            count += 1;
            let (folder, name) = file.split_at(file.find('/').map_or(0, |slash| slash + 1));
            let known = TESTS.iter().find(|(prefix, _)| *prefix == folder);
            let (_, folder) = known.unwrap_or_else(|| panic!("no tests in {folder}"));
            let path = root().join(folder).join(format!("{name}.rs"));
            let source: &mut String = sources.entry(path.clone()).or_insert_with(|| read(&path));
            assert!(source.contains(&format!("fn {test}()")), "{chapter} names {file}::{test}");
        }
        assert!(count > 40, "only {count} tests are found in {chapter}");
    }
}

/// Pages that people read, by their path within the project.
fn pages() -> BTreeMap<PathBuf, Page> {
    let mut paths = Vec::new();
    for folder in ["", "docs", "docs/api", "bench", "tests/browser"] {
        collect(&root().join(folder), &mut paths);
    }
    for entry in fs::read_dir(root()).expect("the project").flatten() {
        if entry.file_name().to_string_lossy().starts_with("sockjs-") {
            collect(&entry.path(), &mut paths);
        }
    }
    let within = |path: &PathBuf| path.strip_prefix(root()).expect("within").to_owned();
    paths.iter().map(|path| (within(path), Page::read(&read(path)))).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let files = entries.flatten().map(|entry| entry.path());
    paths.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut heading = None;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = anchor(&heading.take().unwrap_or_default());
                    assert!(page.anchors.insert(anchor.clone()), "two headings are {anchor}");
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                    page.has_rust |= language.starts_with("rust");
                }
                Event::Text(text) => heading.iter_mut().for_each(|heading| *heading += &text),
                Event::Code(code) => {
                    heading.iter_mut().for_each(|heading| *heading += &code);
                    page.codes.push(code.into_string());
                }
                _ => {}
            }
        }
        page
    }
}

/// As GitHub makes them of headings.
fn anchor(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The target of a link in a page, without `..`.
fn join(page: &Path, link: &str) -> PathBuf {
    let file = link.split('#').next().unwrap_or_default();
    let mut target = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(file).components() {
        match part {
            Component::ParentDir => assert!(target.pop(), "{link} leads out of the project"),
            Component::CurDir => {}
            part => target.push(part),
        }
    }
    target
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
