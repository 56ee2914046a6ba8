//! The subaccounts API.

mod gateway;
mod top_up;
