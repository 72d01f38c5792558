TITLE hin: h-current of interneurons

COMMENT
Hyperpolarisation-activated current with one gate n, carried by an ion of its own named hi
(valence 1).

Source: Y. Poirazi (2005 update).
Units: mV, ms, S/cm2, mA/cm2.

Kept on purpose: above -10 mV taun drops to 1 ms; the reversal is the ion's ehi, which is 0 mV
unless the user sets it; no temperature dependence.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX hin
    USEION hi READ ehi WRITE ihi VALENCE 1
    RANGE gbar, vhalf, K, g, ihi, ninf, taun
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
}

PARAMETER {
    gbar = 0 (S/cm2)  : maximal conductance
    vhalf = -90 (mV)  : half activation
    K = 10 (mV)       : slope
}

ASSIGNED {
    v (mV)
    ehi (mV)
    ihi (mA/cm2)
    g (S/cm2)
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
    g = gbar*n
    ihi = g*(v - ehi)
}

DERIVATIVE states {
    rates(v)
    n' = (ninf - n)/taun
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    ninf = 1 - 1/(1 + exp((vhalf - v)/K))
    if (v > -10) {
        taun = 1
    } else {
        taun = 2*(1/(exp(-(v + 145)/17.5) + exp((v + 16.8)/16.5)) + 10)
    }
}
UNITSON
