//! Names of files as they may be used on this machine, whatever a peer calls them.

/// The longest name that is used, in bytes: what common file systems take.
const LONGEST: usize = 200;

/// Device names that Windows gives a meaning to, with any extension.
const RESERVED: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
    "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// A file name without anything that could lead elsewhere or deceive: no folders, no control characters, no characters
/// that turn the direction of writing, no leading dot, no name of a device, no more than 200 bytes (RFC 5547 §10).
pub(crate) fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let cleaned: String = last
        .chars()
        .filter(|letter| !letter.is_control() && !is_invisible(*letter))
        .map(|letter| if "<>:\"|?*".contains(letter) { '_' } else { letter })
        .collect();
    let cleaned = cleaned.trim_matches([' ', '.']);
    let stem = cleaned.split('.').next().unwrap_or_default();
    let name = if RESERVED.contains(&stem.trim_end().to_ascii_lowercase().as_str()) {
        format!("_{cleaned}")
    } else {
        cleaned.to_owned()
    };
    if name.is_empty() {
        "file".to_owned()
    } else {
        shorten(name)
    }
}

/// The same name with a number before its extension, for the n-th file of that name.
#[cfg(feature = "tokio")]
pub(crate) fn numbered(name: &str, number: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}-{number}.{extension}"),
        _ => format!("{name}-{number}"),
    }
}

/// Marks and overrides that change how the rest of a name is shown: `gpj.exe` as `exe.jpg`.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// Cuts the stem, not the extension.
fn shorten(name: String) -> String {
    if name.len() <= LONGEST {
        return name;
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.len() < 16 => (stem, format!(".{extension}")),
        _ => (&*name, String::new()),
    };
    let mut end = LONGEST - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", &stem[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_lead_nowhere_and_deceive_nobody() {
        for (name, safe) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\system32\\evil.dll", "evil.dll"),
            ("/", "file"),
            ("", "file"),
            ("..", "file"),
            (".bashrc", "bashrc"),
            ("a\0b\r\nc.txt", "abc.txt"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("CON.txt", "_CON.txt"),
            ("what?.txt", "what_.txt"),
            ("gr\u{fc}n.txt", "gr\u{fc}n.txt"),
        ] {
            assert_eq!(safe_name(name), safe, "{name:?}");
        }
        let long = safe_name(&format!("{}.jpeg", "\u{e4}".repeat(300)));
        assert!(long.len() <= LONGEST && long.ends_with("\u{e4}.jpeg"), "{long}");
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn further_files_of_a_name_are_numbered_before_the_extension() {
        assert_eq!(numbered("a.tar.gz", 2), "a.tar-2.gz");
        assert_eq!(numbered("README", 1), "README-1");
    }

    proptest! {
        #[test]
        fn any_name_becomes_one_component(name in any::<String>()) {
            let safe = safe_name(&name);
            let path = std::path::Path::new(&safe);
            prop_assert_eq!(path.components().count(), 1);
            prop_assert!(path.file_name().is_some() && !safe.starts_with('.') && safe.len() <= LONGEST);
            prop_assert!(!safe.chars().any(char::is_control));
        }
    }
}
