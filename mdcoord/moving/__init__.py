"""Records on their way: between stores, out of them and in again, and into a copy that follows."""
