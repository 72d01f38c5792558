TITLE ih: hyperpolarisation-activated cation current

COMMENT
H-current of pyramidal cells with one gate m.

Source: Kole, Hallermann & Stuart, J. Neurosci. 26:1677 (2006).
Units: mV, ms, S/cm2, mA/cm2.

Kept on purpose: the reversal erev is GLOBAL (published cells set erev_ih to -37 mV); no temperature
dependence.
The removable singularity of the opening rate at v = -ashift is closed.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX ih
    NONSPECIFIC_CURRENT i
    RANGE gbar, ascale, bscale, ashift, aslope, bslope, i, minf, mtau
    GLOBAL erev
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
}

PARAMETER {
    gbar = 0.00015 (S/cm2)      : maximal conductance
    ascale = 0.00643 (1/ms/mV)  : opening rate: scale,
    ashift = 154.9 (mV)         :   shift towards negative voltages,
    aslope = 11.9 (mV)          :   slope
    bscale = 0.193 (1/ms)       : closing rate: scale,
    bslope = 33.1 (mV)          :   slope
    erev = -45 (mV)             : reversal potential
}

ASSIGNED {
    v (mV)
    i (mA/cm2)
    minf (1)
    mtau (ms)
}

STATE { m }

INITIAL {
    rates(v)
    m = minf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    i = gbar*m*(v - erev)
}

DERIVATIVE states {
    rates(v)
    m' = (minf - m)/mtau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL alpha
    alpha = ascale*linoid(v + ashift, aslope)
    mtau = 1/(alpha + bscale*exp(v/bslope))
    minf = alpha*mtau
}

FUNCTION linoid(x, q) {  : x/(exp(x/q) - 1)
    if (fabs(x) > 1e-6) {
        linoid = x/(exp(x/q) - 1)
    } else {
        linoid = q - x/2
    }
}
UNITSON
