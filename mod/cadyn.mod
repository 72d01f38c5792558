TITLE cadyn: calcium pool of interneurons

COMMENT
Calcium below the membrane: inflow by the section's total calcium current, relaxation to a resting
level.

Source: none named in the published file.
Units: um, ms, mM, mA/cm2.

Kept on purpose:
- the state ca is apart from the ion's cai, which receives the value that ca had before the step and
  therefore lags it by one step; at the start cai keeps the ion's default;
- explicit Euler;
- the inflow is divided by 18 and the removal multiplied by 11, so that the effective time constant
  is taur/11; outward calcium current never removes calcium;
- depth, taur and cainf are GLOBAL.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX cadyn
    USEION ca READ ica, cai WRITE cai
    RANGE ca
    GLOBAL depth, taur, cainf
}

UNITS {
    (mA) = (milliamp)
    (um) = (micron)
    (mM) = (milli/liter)
    FARADAY = (faraday) (coul)
}

PARAMETER {
    depth = 0.1 (um)    : thickness of the shell
    taur = 200 (ms)     : time constant of the relaxation, times 11
    cainf = 50e-6 (mM)  : resting concentration
}

ASSIGNED {
    ica (mA/cm2)
    cai (mM)
}

STATE { ca (mM) }

INITIAL {
    ca = cainf
}

BREAKPOINT {
    SOLVE pool METHOD euler
}

DERIVATIVE pool {
    cai = ca
    ca' = influx(ica)/18 + 11*(cainf - ca)/taur
}

FUNCTION influx(i (mA/cm2)) (mM/ms) {  : inward current only
    influx = -(10000)*i/(2*FARADAY*depth)
    if (influx < 0) { influx = 0 }
}
