//! Memory for decoded pictures, used again: the pages of a fresh allocation of 36 MB cost a tenth
//! of all the work on a picture of 12 megapixels.

use std::sync::{Mutex, PoisonError};

/// So many buffers are kept, of at most so many bytes each: 96 MB beyond what pictures in flight
/// take.
const KEPT: usize = 2;
const LARGEST: usize = 48 << 20;
/// What is smaller costs little to ask for.
const SMALLEST: usize = 1 << 20;

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer of zeros: nothing of another picture is ever in it, whatever a decoder leaves out.
pub(super) fn zeros(length: usize) -> Vec<u8> {
    if length < SMALLEST {
        return vec![0; length];
    }
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = spare.iter().position(|buffer| buffer.capacity() >= length);
    let found = fits.map(|at| spare.swap_remove(at));
    drop(spare);
    match found {
        Some(mut buffer) => {
            buffer.resize(length, 0);
            buffer
        }
        None => vec![0; length],
    }
}

/// Gives a buffer back.
pub(super) fn give_back(mut buffer: Vec<u8>) {
    if !(SMALLEST..=LARGEST).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    if spare.len() < KEPT {
        spare.push(buffer);
        return;
    }
    // The larger one serves more pictures.
    let least = spare.iter_mut().min_by_key(|kept| kept.capacity());
    if let Some(least) = least
        && least.capacity() < buffer.capacity()
    {
        *least = buffer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_is_used_again_holds_nothing_of_the_picture_before() {
        for length in [3 << 20, 2 << 20, 3 << 20, 40 << 20, 1] {
            let mut buffer = zeros(length);
            assert_eq!(buffer.len(), length);
            assert!(buffer.iter().all(|byte| *byte == 0));
            buffer.fill(7);
            give_back(buffer);
        }
        for _ in 0..5 {
            give_back(vec![1; 2 << 20]);
            give_back(vec![1; 50 << 20]);
        }
        let spare = SPARE.lock().unwrap();
        assert!(spare.len() <= KEPT && spare.iter().all(|b| b.capacity() <= LARGEST));
    }
}
