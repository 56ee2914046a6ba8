"""The real-Asterisk rig: a real Asterisk 22 with the repository's own configuration, sipp as phones and carriers, and
the `tollgate` binary between them."""
