TITLE cal: L-type calcium current

COMMENT
High-threshold calcium current of pyramidal cells: one gate m (squared), blocked by internal
calcium, driven by a Goldman-Hodgkin-Katz force.

Source: Jaffe et al., J. Neurophysiol. 71:1065 (1994); Migliore et al., J. Neurophysiol. 73:1157
(1995); version of Miceli et al., PNAS 110:4386 (2013).
Units: mV, ms, S/cm2, mA/cm2, mM.

Kept on purpose:
- the thermal voltage of the driving force is 25 mV at 293.15 K, not RT/F;
- tau has rate functions of its own, unrelated to those that give minf, and 0.0378/mV stands in
  them at any temperature;
- the floor of tau (0.2 ms) is divided by the temperature factor.
The removable singularity of minf at 81.5 mV is closed.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX cal
    USEION ca READ cai, cao WRITE ica
    RANGE gcalbar, gcal, ggk, ica, minf, tau
    GLOBAL USEGHK
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
    (mM) = (milli/liter)
}

PARAMETER {
    gcalbar = 0.003 (S/cm2)  : maximal conductance, unblocked
    USEGHK = 1 (1)           : 1: GHK driving force; otherwise ohmic with a reversal of 100 mV
}

ASSIGNED {
    v (mV)
    celsius (degC)
    cai (mM)
    cao (mM)
    ica (mA/cm2)
    gcal (S/cm2)
    ggk (mV)
    minf (1)
    tau (ms)
    qt (1)
}

STATE { m }

INITIAL {
    qt = 5^((celsius - 25(degC))/10(degC))
    rates(v)
    m = minf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    gcal = gcalbar*m*m*0.001(mM)/(0.001(mM) + cai)
    if (USEGHK == 1) {
        ggk = ghk(v, cai, cao)
    } else {
        ggk = v - 100(mV)
    }
    ica = gcal*ggk
}

DERIVATIVE states {
    rates(v)
    m' = (minf - m)/tau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL alpha, z
    alpha = 15.69*linoid(81.5 - v, 10)
    minf = alpha/(alpha + 0.29*exp(-v/10.86))

    z = 0.0378*2*(v - 4)
    tau = exp(0.1*z)/(qt*0.1*(1 + exp(z)))
    if (tau < 0.2/qt) { tau = 0.2/qt }
}

FUNCTION linoid(x, q) {  : x/(exp(x/q) - 1)
    if (fabs(x) > 1e-6) {
        linoid = x/(exp(x/q) - 1)
    } else {
        linoid = q - x/2
    }
}

FUNCTION ghk(v (mV), ci (mM), co (mM)) (mV) {
    LOCAL f, nu, expnu, eps
    f = 25/293.15*(celsius + 273.15)/2
    nu = v/f
    expnu = exp(nu)
    if (fabs(nu) < 1e-4) {
        eps = 1 - nu/2
    } else {
        eps = nu/(expnu - 1)
    }
    ghk = -f*(1 - ci/co*expnu)*eps
}
UNITSON
