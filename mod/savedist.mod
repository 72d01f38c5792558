TITLE savedist: a number per segment

COMMENT
Holds a distance for each segment, as cell files of the full corticospinal cell assign it. It has no
current, no state and no equation.

Source: B. Suter (2011), E. Forzano (2016).
Units: um.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX savedist
    RANGE x
}

UNITS {
    (um) = (micron)
}

PARAMETER {
    x = 0 (um)
}
