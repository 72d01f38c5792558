TITLE cadad: submembrane calcium pool

COMMENT
Calcium of a thin shell below the membrane of pyramidal cells: inflow by the section's total calcium
current, relaxation to a resting level. The state is the ion variable cai itself.

Source: A. Destexhe, Salk Institute (1995).
Units: um, ms, mM, mA/cm2.

Kept on purpose:
- outward calcium current never removes calcium;
- the Faraday constant is rounded to 96489;
- cai starts at cainf, whatever the ion's default;
- kt and kd, the parameters of a pump that is not modelled, have no effect.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX cadad
    USEION ca READ ica, cai WRITE cai
    RANGE depth, taur, cainf, kt, kd
}

UNITS {
    (mA) = (milliamp)
    (um) = (micron)
    (mM) = (milli/liter)
    FARADAY = 96489 (coul)
}

PARAMETER {
    depth = 1 (um)       : thickness of the shell
    taur = 5 (ms)        : time constant of the relaxation
    cainf = 2.4e-4 (mM)  : resting concentration
    kt = 0 (mM/ms)       : unused
    kd = 0 (mM)          : unused
}

ASSIGNED {
    ica (mA/cm2)
}

STATE { cai (mM) }

INITIAL {
    cai = cainf
}

BREAKPOINT {
    SOLVE pool METHOD cnexp
}

DERIVATIVE pool {
    cai' = influx(ica) + (cainf - cai)/taur
}

FUNCTION influx(i (mA/cm2)) (mM/ms) {  : inward current only
    influx = -(10000)*i/(2*FARADAY*depth)
    if (influx < 0) { influx = 0 }
}
