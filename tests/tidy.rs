//! The repository lints itself: what each room may import, where `unsafe` and clocks live, that every
//! file says what it is, that the files of an API stand where the table says, and that nothing was
//! left half done.
//!
//! Each rule is a function from text to complaints, tested below with planted violations, so that a
//! rule which no longer bites fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may name by `crate::`, besides itself and [`EVERYWHERE`]. A room that is not here may
/// not exist.
const IMPORTS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("limits", &[]),
    ("mutation", &[]),
    ("config", &[]),
    ("metrics", &[]),
    // the kernel, fenced
    ("io", &[]),
    ("sys", &["io"]),
    // pure: bytes and decisions
    ("wire", &[]),
    ("batch", &[]),
    ("log", &["batch"]),
    ("metadata", &["wire", "batch"]),
    ("group", &["wire", "batch", "metadata"]),
    ("txn", &["wire", "batch", "metadata"]),
    ("replica", &["metadata"]),
    ("security", &["wire", "metadata"]),
    ("quota", &[]),
    // the machine
    ("store", &["io", "log", "batch"]),
    ("net", &["io", "wire", "metrics"]),
    ("shard", &[PURE, "io", "store", "config", "metrics"]),
    ("api", &[PURE, "io", "net", "shard", "config", "metrics"]),
    (
        "cluster",
        &[PURE, "io", "net", "shard", "config", "metrics"],
    ),
    ("console", &["metadata", "metrics", "config", "group"]),
    ("server", &[ALL]),
    ("cli", &[ALL]),
    ("main", &["cli"]),
    ("lib", &[ALL]),
];

/// The vocabulary that every room shares.
const EVERYWHERE: &[&str] = &["types", "limits", "mutation"];
/// Stands for every pure room.
const PURE: &str = "the pure rooms";
const PURE_ROOMS: &[&str] = &[
    "wire", "batch", "log", "metadata", "group", "txn", "replica", "security", "quota",
];
/// Stands for every room.
const ALL: &str = "all";

/// A file beyond this is split by what its parts know.
const FILE_BYTES_MAX: usize = 48 * 1024;

/// What names a clock. Time is handed in as an argument; only `sys` and the simulation make it.
const CLOCKS: &[&str] = &[
    "Instant",
    "SystemTime",
    "UNIX_EPOCH",
    "clock_gettime",
    "gettimeofday",
];

#[test]
fn rooms_import_only_what_the_table_allows() {
    nothing(sources().iter().flat_map(|file| {
        imports(&file.code)
            .into_iter()
            .filter(|target| !may_import(&file.room, target))
            .map(|target| format!("{}: {} may not import {target}", file.name, file.room))
            .collect::<Vec<_>>()
    }));
}

#[test]
fn nobody_imports_a_room_around_the_table() {
    nothing(sources().iter().flat_map(|file| {
        let own = stems(&format!("src/{}", file.room));
        sideways(&file.room, &file.code, &own)
            .into_iter()
            .map(|target| format!("{}: say crate::{target}, not super::{target}", file.name))
            .collect::<Vec<_>>()
    }));
}

#[test]
fn every_room_stands_in_the_import_table() {
    nothing(sources().iter().filter_map(|file| {
        let known = IMPORTS.iter().any(|(room, _)| *room == file.room);
        (!known).then(|| format!("{}: no room called {}", file.name, file.room))
    }));
}

#[test]
fn only_sys_is_unsafe_or_names_a_clock() {
    nothing(
        sources()
            .iter()
            .filter(|file| file.room != "sys")
            .flat_map(|file| {
                // lib.rs and Cargo.toml hold the lint's level.
                let unsafety = ["unsafe", "unsafe_code"].into_iter();
                unsafety
                    .chain(CLOCKS.iter().copied())
                    .filter(|word| has_word(&file.code, word))
                    .map(|word| format!("{}: {word} belongs in sys", file.name))
                    .collect::<Vec<_>>()
            }),
    );
}

#[test]
fn every_file_says_at_its_top_what_it_is() {
    nothing(rust_files().into_iter().filter_map(|path| {
        let text = read(&path);
        (!opens_with_doc(&text)).then(|| format!("{}: does not open with //!", path.display()))
    }));
}

#[test]
fn no_file_outgrows_a_reader() {
    nothing(rust_files().into_iter().filter_map(|path| {
        let bytes = read(&path).len();
        (bytes > FILE_BYTES_MAX).then(|| format!("{}: {bytes} bytes", path.display()))
    }));
}

#[test]
fn nothing_is_left_half_done() {
    let this_file = Path::new(file!());
    nothing(
        rust_files()
            .into_iter()
            .filter(|path| path != this_file)
            .flat_map(|path| {
                let complaints = half_done(&read(&path)).into_iter();
                complaints
                    .map(|(line, word)| format!("{}:{line}: {word}", path.display()))
                    .collect::<Vec<_>>()
            }),
    );
}

#[test]
fn every_api_has_its_messages_its_handler_and_its_tests() {
    let table = read(Path::new("src/api/mod.rs"));
    let exists = |path: &str| Path::new(path).exists();
    nothing(missing_counterparts(&table, exists));
    if !api_files(&table).is_empty() {
        nothing(unlisted(
            &api_files(&table),
            &stems("src/api"),
            &stems("tests/api"),
            &stems("src/wire"),
        ));
    }
}

#[test]
fn each_of_the_thirty_behaviours_has_a_test_of_its_name() {
    let folder = Path::new("tests/api/behaviours");
    let files = rust_files()
        .into_iter()
        .filter(|path| path.starts_with(folder));
    let code: String = files.map(|path| code_only(&read(&path))).collect();
    nothing(missing_behaviours(&code));
}

// -- the rules

/// The rooms that a file's code names by `crate::`, groups included.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in positions(code, "crate") {
        let rest = code[start + "crate".len()..].trim_start();
        let Some(rest) = rest.strip_prefix("::") else {
            continue;
        };
        let rest = rest.trim_start();
        match rest.strip_prefix('{') {
            None => found.extend(leading_word(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut at_start = true;
                for (at, symbol) in group.char_indices() {
                    match symbol {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => at_start = true,
                        symbol if symbol.is_whitespace() => {}
                        _ if at_start => {
                            found.extend(leading_word(&group[at..]));
                            at_start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

/// Rooms reached by `super::` from a room's root, past the table. A module of the room's own may have
/// a room's name.
fn sideways(room: &str, code: &str, own_modules: &BTreeSet<String>) -> Vec<String> {
    positions(code, "super")
        .into_iter()
        .filter_map(|at| leading_word(code[at + "super".len()..].strip_prefix("::")?))
        .filter(|word| *word != room && IMPORTS.iter().any(|(name, _)| name == word))
        .filter(|word| !own_modules.contains(word))
        .collect()
}

fn may_import(room: &str, target: &str) -> bool {
    // Macros and re-exports at the root have no room of their own and are not used.
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == room) else {
        return false;
    };
    target == room
        || EVERYWHERE.contains(&target)
        || allowed.contains(&target)
        || allowed.contains(&ALL)
        || allowed.contains(&PURE) && PURE_ROOMS.contains(&target)
}

fn has_word(code: &str, word: &str) -> bool {
    !positions(code, word).is_empty()
}

fn opens_with_doc(text: &str) -> bool {
    text.starts_with("//! ") && text.len() > "//! ".len()
}

/// Lines that promise work to come.
fn half_done(text: &str) -> Vec<(usize, &'static str)> {
    let marks = ["todo!", "unimplemented!", "FIXME", "for now"];
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for mark in marks {
            let ends_a_word = |position: &usize| {
                let after = line[position + mark.len()..].chars().next();
                !after.is_some_and(|next| next.is_alphanumeric())
            };
            if line
                .match_indices(mark)
                .map(|(position, _)| position)
                .any(|p| ends_a_word(&p))
            {
                found.push((at + 1, mark));
            }
        }
    }
    found
}

/// The numbers from 1 to 30 for which no test is called `behaviour_NN_...`, and tests of other numbers.
fn missing_behaviours(code: &str) -> Vec<String> {
    const BEHAVIOURS: std::ops::RangeInclusive<u32> = 1..=30;
    let tests = code.split("#[test]").skip(1);
    let tested: BTreeSet<u32> = tests
        .filter_map(|after| after.trim_start().strip_prefix("fn behaviour_")?.get(..3))
        .filter_map(|number| number.strip_suffix('_')?.parse().ok())
        .collect();
    let missing = BEHAVIOURS.filter(|number| !tested.contains(number));
    let missing = missing.map(|number| format!("no test is called behaviour_{number:02}_..."));
    let strange = tested.iter().filter(|number| !BEHAVIOURS.contains(number));
    missing
        .chain(strange.map(|number| format!("there is no behaviour {number}")))
        .collect()
}

/// The `file: "..."` of each row of the `APIS` table; none as long as there is no table.
fn api_files(table: &str) -> Vec<String> {
    let Some(start) = table
        .find("const APIS")
        .or_else(|| table.find("static APIS"))
    else {
        return Vec::new();
    };
    let rows = &table[start..];
    let rows = &rows[..rows.find("\n];").unwrap_or(rows.len())];
    rows.split("file: \"")
        .skip(1)
        .filter_map(|row| Some(row.split_once('"')?.0.to_owned()))
        .collect()
}

fn missing_counterparts(table: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let files = api_files(table);
    let mut complaints = Vec::new();
    if table.contains("APIS:") && files.is_empty() {
        complaints.push("the rows of APIS have no file: \"...\"".to_owned());
    }
    for file in files {
        for room in ["src/wire", "src/api", "tests/api"] {
            if !exists(&format!("{room}/{file}.rs")) && !exists(&format!("{room}/{file}/mod.rs")) {
                complaints.push(format!(
                    "{file} is in APIS, but {room}/{file}.rs is missing"
                ));
            }
        }
    }
    complaints
}

/// Files that look like an API's (a handler or a test, with messages of the same name) and are not in
/// the table.
fn unlisted(
    listed: &[String],
    handlers: &BTreeSet<String>,
    tests: &BTreeSet<String>,
    messages: &BTreeSet<String>,
) -> Vec<String> {
    messages
        .iter()
        .filter(|name| handlers.contains(*name) || tests.contains(*name))
        .filter(|name| !listed.contains(name))
        .map(|name| format!("{name} has messages and a handler or tests, but is not in APIS"))
        .collect()
}

// -- reading

struct Source {
    name: String,
    /// `src/wire/produce.rs` and `src/wire/mod.rs` belong to `wire`, `src/types.rs` to `types`.
    room: String,
    /// The text without comments and literals.
    code: String,
}

fn sources() -> Vec<Source> {
    let paths = rust_files()
        .into_iter()
        .filter(|path| path.starts_with("src"));
    let sources: Vec<Source> = paths
        .map(|path| Source {
            name: path.display().to_string(),
            room: room(&path),
            code: code_only(&read(&path)),
        })
        .collect();
    assert!(sources.len() > 10, "the sources were not found");
    sources
}

fn room(path: &Path) -> String {
    let below_src = path.components().nth(1).expect("a file in src");
    let name = below_src.as_os_str().to_str().expect("UTF-8");
    name.trim_end_matches(".rs").to_owned()
}

/// Every Rust file of the repository, sorted, relative to its root (where cargo runs tests).
fn rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["src", "tests", "benches", "perf"]
        .map(PathBuf::from)
        .into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn stems(folder: &str) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeSet::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
        .filter(|stem| stem != "mod")
        .collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn nothing(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// The text with comments dropped and the insides of string and character literals blanked.
fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(symbol) = rest.chars().next() {
        let previous_is_word = code.chars().next_back().is_some_and(is_word);
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest).filter(|_| !previous_is_word) {
            code.push_str("\"\"");
            length
        } else if symbol == '"' {
            code.push_str("\"\"");
            quoted(rest, '"')
        } else if let Some(length) = character(rest) {
            code.push_str("' '");
            length
        } else {
            code.push(symbol);
            symbol.len_utf8()
        };
        rest = &rest[taken..];
    }
    code
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let body = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = body.bytes().take_while(|byte| *byte == b'#').count();
    let inside = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(text.len() - inside.len() + length)
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, symbol) in text.char_indices().skip(1) {
        match symbol {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            symbol if symbol == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal; none for a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut symbols = text.char_indices();
    symbols.next().filter(|(_, quote)| *quote == '\'')?;
    let (_, first) = symbols.next()?;
    if first == '\\' {
        return Some(quoted(text, '\''));
    }
    let (at, last) = symbols.next()?;
    (last == '\'').then_some(at + 1)
}

/// Where a word stands as a whole word.
fn positions(code: &str, word: &str) -> Vec<usize> {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| {
            let before = code[..*at].chars().next_back();
            let after = code[at + word.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
        .collect()
}

fn leading_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|symbol| is_word(*symbol)).collect();
    (!word.is_empty()).then_some(word)
}

fn is_word(symbol: char) -> bool {
    symbol.is_alphanumeric() || symbol == '_'
}

// -- the rules bite

#[test]
fn a_planted_import_is_seen_in_every_spelling() {
    let planted = code_only(
        "use crate::sys::Ring;\n\
         use crate::{types::{Offset, crates}, io, net :: Reply};\n\
         pub(crate) fn f() -> crate :: shard::Shard { /* crate::cli */ g(\"crate::api\") }\n\
         // crate::server\n\
         fn h() { let x = r#\"crate::console \"#; let y = '\"'; crate::log::go() } // '\"'\n\
         my_crate::other::f(); crate_like::g();",
    );
    let found: Vec<String> = imports(&planted).into_iter().collect();
    assert_eq!(found, ["io", "log", "net", "shard", "sys", "types"]);
}

#[test]
fn a_planted_import_around_the_table_is_seen() {
    let own = BTreeSet::from(["log".to_owned()]);
    let planted = "use super::sys::Ring; use super::log::X; use super::super::cli; super::parse()";
    assert_eq!(sideways("wire", planted, &own), ["sys", "cli"]);
}

#[test]
fn the_table_says_no_where_it_must() {
    assert!(may_import("wire", "types") && may_import("wire", "wire"));
    assert!(may_import("log", "batch") && may_import("log", "mutation"));
    assert!(may_import("shard", "metadata") && may_import("api", "shard"));
    assert!(may_import("server", "sys"));
    for (room, target) in [
        ("wire", "io"),
        ("log", "io"),
        ("log", "wire"),
        ("batch", "sys"),
        ("io", "sys"),
        ("shard", "sys"),
        ("shard", "api"),
        ("store", "shard"),
        ("net", "log"),
        ("store", "metrics"),
        ("config", "wire"),
        ("nowhere", "types"),
    ] {
        assert!(!may_import(room, target), "{room} -> {target}");
    }
}

#[test]
fn planted_unsafety_and_clocks_are_seen_and_words_about_them_are_not() {
    let planted = code_only("fn f() { unsafe { g() }; std::time::Instant::now() }");
    assert!(has_word(&planted, "unsafe") && has_word(&planted, "Instant"));
    let innocent = code_only(
        "//! unsafe, Instant\nfn instantly<'a>(x: &'a str) { log(\"unsafe {}\", '\\''); InstantLike }",
    );
    assert!(!has_word(&innocent, "unsafe") && !has_word(&innocent, "Instant"));
    let after_a_lifetime = code_only("fn f<'a>(c: char) { if c == 'x' { unsafe { g() } } }");
    assert!(has_word(&after_a_lifetime, "unsafe"));
}

#[test]
fn comments_and_literals_of_every_kind_are_taken_out() {
    assert_eq!(code_only("a /* b /* c */ d */ e // f\ng"), "a  e \ng");
    assert_eq!(
        code_only(r##"x("a\"b", br#"c"d"#, b'\'', 'e')"##),
        r#"x("", "", b' ', ' ')"#
    );
    assert_eq!(code_only("for<'a> &'a str"), "for<'a> &'a str");
}

#[test]
fn a_file_without_a_word_about_itself_is_seen() {
    assert!(opens_with_doc("//! What it is.\nuse x;"));
    assert!(!opens_with_doc("use x;\n//! Too late."));
    assert!(!opens_with_doc("//!"));
    assert!(!opens_with_doc(""));
}

#[test]
fn planted_half_work_is_seen() {
    let planted = "fn f() { todo!() }\nfine\n// good enough for now\nunimplemented!()\n// FIXME: x";
    let found = half_done(planted);
    assert_eq!(
        found,
        [
            (1, "todo!"),
            (3, "for now"),
            (4, "unimplemented!"),
            (5, "FIXME")
        ]
    );
    assert_eq!(half_done("for nowhere, the todo list"), []);
}

#[test]
fn a_missing_counterpart_of_an_api_is_seen() {
    let table = "pub const APIS: &[Api] = &[\n Api { file: \"fetch\" },\n Api { file: \"produce\" },\n];\nfile: \"x\"";
    assert_eq!(api_files(table), ["fetch", "produce"]);
    let all = missing_counterparts(table, |_| true);
    assert_eq!(all, Vec::<String>::new());
    let without = missing_counterparts(table, |path| !path.starts_with("tests/api/fetch"));
    assert_eq!(
        without,
        ["fetch is in APIS, but tests/api/fetch.rs is missing"]
    );
    assert_eq!(
        missing_counterparts("pub const APIS: &[Api] = &[Api {}\n];", |_| true).len(),
        1
    );
    assert_eq!(
        missing_counterparts("//! No table.", |_| true),
        Vec::<String>::new()
    );
}

#[test]
fn an_api_that_the_table_forgot_is_seen() {
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| name.to_string())
            .collect::<BTreeSet<_>>()
    };
    let listed = ["fetch".to_owned()];
    let found = unlisted(
        &listed,
        &set(&["fetch", "mod", "vote"]),
        &set(&["join"]),
        &set(&["fetch", "vote", "join", "header"]),
    );
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn a_behaviour_without_a_test_is_seen() {
    let test = |number: u32| format!("#[test]\nfn behaviour_{number:02}_holds() {{}}\n");
    let all: String = (1..=30).map(test).collect();
    assert_eq!(missing_behaviours(&all), Vec::<String>::new());
    let without = all.replace("behaviour_07_", "behaviour_7_");
    assert_eq!(missing_behaviours(&without).len(), 1);
    let not_a_test = all.replace("#[test]\nfn behaviour_30_", "fn behaviour_30_");
    assert_eq!(missing_behaviours(&not_a_test).len(), 1);
    assert_eq!(missing_behaviours(&(all + &test(31))).len(), 1);
}

#[test]
fn rooms_are_told_by_their_path() {
    assert_eq!(room(Path::new("src/wire/produce.rs")), "wire");
    assert_eq!(room(Path::new("src/types.rs")), "types");
    assert_eq!(room(Path::new("src/net/connection/mod.rs")), "net");
}
