"""YAML as text: what front matter needs of it, without ever writing more than what changed.

`fence` finds the front matter in a file, `tree` reads it with positions, `subset` reads the simple files
that the tool writes itself several times faster, `scalars` and `emit` are the two directions of typing, and
`splice` turns new values into the fewest replaced characters. Positions are indices into the text that a
function was given; `fault.Fault` carries one, and `formats.document` makes a line of the file out of it.
"""
