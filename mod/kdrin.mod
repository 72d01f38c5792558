TITLE kdrin: delayed-rectifier potassium current of interneurons

COMMENT
Delayed rectifier with one gate n to the fourth power.

Source: none named in the published file.
Units: mV, ms, S/cm2, mA/cm2, mM.

Kept on purpose:
- the reversal comes from ki and ko with 25 mV at any temperature; as these are read, NEURON sets
  the ek of the section by Nernst when it initialises;
- near zero the arguments of the rates are moved by 1e-4 mV;
- no temperature dependence.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX kdrin
    USEION k READ ki, ko WRITE ik
    RANGE gkdrbar, gk, ik, ninf, taun
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
    (mM) = (milli/liter)
}

PARAMETER {
    gkdrbar = 0.0338 (S/cm2)  : maximal conductance
}

ASSIGNED {
    v (mV)
    ki (mM)
    ko (mM)
    ik (mA/cm2)
    gk (S/cm2)
    ninf (1)
    taun (ms)
}

STATE { n }

INITIAL {
    rates(v)
    n = ninf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    gk = gkdrbar*n*n*n*n
    ik = gk*(v - 25(mV)*log(ko/ki))
}

DERIVATIVE states {
    rates(v)
    n' = (ninf - n)/taun
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL x, alpha, beta
    x = nudged(v - 13)
    alpha = -0.018*x/(exp(-x/25) - 1)
    x = nudged(v - 23)
    beta = 0.0054*x/(exp(x/12) - 1)
    taun = 1/(alpha + beta)
    ninf = alpha*taun
}

FUNCTION nudged(x) {
    if (fabs(x) < 1e-4) {
        nudged = x + 1e-4
    } else {
        nudged = x
    }
}
UNITSON
