//! The FastAGI protocol.
