//! From files to CloudWatch: observe, plan, apply, and let settle what is new. On ports only;
//! whatever decides is in `planner`.

pub mod apply;
pub mod observe;
pub mod settle;
pub mod wish;

pub use apply::{Applied, Apply, Progress, Unfinished};
pub use observe::{Boards, observe};
pub use settle::settle;
pub use wish::{Discover, Wish};

#[cfg(test)]
mod tests;
