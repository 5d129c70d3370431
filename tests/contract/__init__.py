"""The suite that every backend passes: see `suite`, `claims` and `machine`."""
