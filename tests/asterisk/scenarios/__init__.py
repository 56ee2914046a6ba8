"""The scenarios: each module's `run(rig, claims)`."""
