//! What the command line reads: files of a log, damaged or not, which `log dump` and `log verify` show
//! whatever they hold; and lines, from which `produce` makes records wherever its input is cut.

use super::disk::Files;
use super::generate::Random;
use super::input::{Input, cut};
use super::logs;
use millstream::cli::foreign;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() {
        0..=99 => files(&mut input),
        kind => lines(&mut input, kind & 1 == 1),
    }
}

/// A partition's directory on a real disk, for as long as this lives.
struct Directory(PathBuf);

impl Directory {
    fn of(files: &Files) -> Directory {
        let name = format!("millstream-fuzz-{}", std::process::id());
        // Memory, where there is such a place: files are made for every input.
        let memory = Path::new("/dev/shm");
        let below = match memory.is_dir() {
            true => memory.to_owned(),
            false => std::env::temp_dir(),
        };
        let root = below.join(name);
        let _ = fs::remove_dir_all(&root);
        let directory = Directory(root);
        for (path, content) in files {
            let path = directory
                .0
                .join(path.strip_prefix("/").expect("an absolute path"));
            fs::create_dir_all(path.parent().expect("a directory")).expect("room for a directory");
            fs::write(path, content).expect("room for a file");
        }
        directory
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn files(input: &mut Input<'_>) {
    let option = input.byte();
    let damaged = logs::damaged(input);
    if damaged.is_empty() {
        // The damage has taken every file: there is no directory, and so an error in any case.
        return;
    }
    let directory = Directory::of(&damaged);
    let partition = directory.0.join("data");
    let options: &[&str] = match option % 6 {
        0 => &["dump", "--records"],
        1 => &["dump", "--records", "--json"],
        2 => &["dump", "--records", "--metadata"],
        3 => &["dump", "--records", "--metadata", "--json"],
        4 => &["verify", "--json"],
        _ => &["verify"],
    };
    let mut arguments: Vec<OsString> = options.iter().map(OsString::from).collect();
    arguments.push(partition.into());
    if let Err(why) = foreign::log(arguments, Box::new(std::io::sink())) {
        assert_eq!(options[0], "verify", "{why}");
    }
}

fn lines(input: &mut Input<'_>, json: bool) {
    let cuts = u64::from(input.short());
    let delimiter: Option<&[u8]> =
        *input.pick(&[Some(b"\n".as_slice()), None, Some(b"\r\n"), Some(b"aba")]);
    let text = input.rest();
    let whole = foreign::produce_lines(vec![text.to_vec()], delimiter).expect("memory gives it");
    let parts = cut(text, cuts).into_iter().map(<[u8]>::to_vec);
    let cut_up = foreign::produce_lines(parts.collect(), delimiter);
    assert_eq!(cut_up.as_ref(), Ok(&whole));
    for line in whole {
        if let Err(why) = foreign::produce_line(&line, json) {
            assert!(!why.is_empty());
        }
    }
}

/// Damaged logs, and lines of JSON and of text.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "\u{65}\0\0\0{\"key\":\"k\",\"value_base64\":\"/w==\",\"partition\":3,\"timestamp\":5,\"headers\":[{\"key\":\"h\",\"value\":null}],\"offset\":9}",
        "\u{65}\0\0\0{\"value\":{\"a\":1},\"headers\":{\"h\":\"x\"}}\n[]\n{\"headers\":1}",
        "\u{66}\0\0\0a:1,b:NULL,a:2\tk:v\n\tv\nno tab",
        "\u{66}\0\0\u{3}oneabatwoabab",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    let mut random = Random::new(19);
    for at in 0..60_u8 {
        let mut seed = vec![0, at];
        seed.extend((0..300).map(|_| random.next() as u8));
        seeds.push(seed);
    }
    seeds
}
