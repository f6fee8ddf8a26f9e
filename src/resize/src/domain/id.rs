//! Names: of images (by content), of short links (by chance), of owners (secret).

use std::fmt;

use sha2::{Digest, Sha256};

/// Douglas Crockford's base 32: no I, L, O or U, and what is misread is read right, so that a
/// code can be told over the telephone. <https://www.crockford.com/base32.html>
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// An image: 130 bits of the SHA-256 of the file that was uploaded. The same file is the same image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(String);

/// A short link: 60 random bits. A million links are found by trying after 10^12 guesses on average.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(String);

/// Who holds it owns the image. Only its hash is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

const IMAGE_LENGTH: usize = 26;
const CODE_LENGTH: usize = 12;
/// Shorter ones might be guessed.
const SHORTEST_TOKEN: usize = 32;
const LONGEST_TOKEN: usize = 200;

impl ImageId {
    /// Of a file.
    pub fn of(bytes: &[u8]) -> ImageId {
        ImageId(base32(&Sha256::digest(bytes), IMAGE_LENGTH))
    }

    /// From an address.
    pub fn parse(text: &str) -> Option<ImageId> {
        canonical(text, IMAGE_LENGTH).map(ImageId)
    }

    /// 26 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Code {
    /// From 8 random bytes.
    pub fn from_random(bytes: [u8; 8]) -> Code {
        Code(base32(&bytes, CODE_LENGTH))
    }

    /// As somebody typed it: any case, dashes anywhere, O for 0, I or L for 1.
    pub fn parse(text: &str) -> Option<Code> {
        canonical(text, CODE_LENGTH).map(Code)
    }

    /// 12 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Token {
    /// From 32 random bytes.
    pub fn from_random(bytes: [u8; 32]) -> Token {
        Token(base32(&bytes, 52))
    }

    /// As a caller sends it: 32 to 200 visible ASCII characters.
    pub fn parse(text: &str) -> Option<Token> {
        let fits = (SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&text.len());
        (fits && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Token(text.into()))
    }

    /// What is stored and compared: its SHA-256. A token has too many bits to be found from it, so
    /// it needs no salt and no slow hash.
    pub fn hash(&self) -> String {
        base32(&Sha256::digest(self.0.as_bytes()), 52)
    }

    /// To be shown once, to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Never shown by accident.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first `length` characters, five bits each; what is missing at the end is 0.
pub(crate) fn base32(bytes: &[u8], length: usize) -> String {
    let bit = |at: usize| {
        let byte = bytes.get(at / 8).copied().unwrap_or(0);
        usize::from(byte >> (7 - at % 8) & 1)
    };
    (0..length)
        .map(|i| {
            let value = (0..5).fold(0, |value, k| value << 1 | bit(5 * i + k));
            char::from(ALPHABET[value])
        })
        .collect()
}

fn canonical(text: &str, length: usize) -> Option<String> {
    let mut out = String::with_capacity(length);
    for c in text.chars().filter(|c| *c != '-') {
        let c = match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            c => c,
        };
        if !c.is_ascii() || !ALPHABET.contains(&(c as u8)) || out.len() == length {
            return None;
        }
        out.push(c);
    }
    (out.len() == length).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_can_be_read_aloud_and_typed_back() {
        let code = Code::from_random([0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6]);
        assert_eq!(code.as_str(), "0123456789ab");
        let check = |typed: &str, expect: bool| {
            let same = Code::parse(typed).is_some_and(|c| c == code);
            assert_eq!(same, expect, "{typed}");
        };
        check("0123456789ab", true);
        check("0123-4567-89AB", true);
        check("OI23456789AB", true);
        check("ol23456789ab", true);
        check("0123456789ac", false);
        for wrong in [
            "",
            "0123456789a",
            "0123456789abc",
            "u123456789ab",
            "0123456789a/",
            "0123456789aé",
        ] {
            assert_eq!(Code::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_same_file_is_the_same_image_and_another_is_another() {
        assert_eq!(ImageId::of(b"abc"), ImageId::of(b"abc"));
        assert_ne!(ImageId::of(b"abc"), ImageId::of(b"abd"));
        let id = ImageId::of(b"abc");
        assert_eq!(ImageId::parse(id.as_str()), Some(id));
        assert_eq!(ImageId::parse("../../etc/passwd"), None);
    }

    #[test]
    fn a_token_is_not_what_is_stored_and_not_what_is_logged() {
        let token = Token::from_random([7; 32]);
        assert_eq!(Token::parse(token.reveal()), Some(token.clone()));
        assert!(!token.hash().contains(token.reveal()));
        assert_eq!(format!("{token:?}"), "Token(..)");
        assert_eq!(Token::parse("short"), None);
        assert_eq!(Token::parse(&"x ".repeat(20)), None);
        assert_ne!(Token::from_random([8; 32]).hash(), token.hash());
    }

    proptest::proptest! {
        #[test]
        fn codes_use_all_their_bits(bytes: [u8; 8], bit in 0usize..60) {
            let code = Code::from_random(bytes);
            proptest::prop_assert_eq!(Code::parse(code.as_str()), Some(code.clone()));
            let mut other = bytes;
            other[bit / 8] ^= 0x80 >> (bit % 8);
            proptest::prop_assert_ne!(Code::from_random(other), code);
        }
    }
}
