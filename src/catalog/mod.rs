//! Tariffs, plans and trunks: import, validate, compile, publish.
