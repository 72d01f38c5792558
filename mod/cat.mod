TITLE cat: T-type calcium current

COMMENT
Low-threshold calcium current of pyramidal cells: gates m (activation, squared) and h
(inactivation), driven by a Goldman-Hodgkin-Katz force.

Source: M. Migliore, in the CA3 model of Safiulina et al. (ModelDB 126814).
Units: mV, ms, S/cm2, mA/cm2, mM.

Kept on purpose:
- the thermal voltage of the driving force is 25 mV at 293.15 K, not RT/F;
- unlike cal and can, internal calcium does not block it;
- the time constants have rate functions of their own, with 0.0378/mV at any temperature, and
  floors (0.2 and 10 ms) that are not scaled by temperature.
The removable singularity of minf at 19.26 mV is closed.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX cat
    USEION ca READ cai, cao WRITE ica
    RANGE gcatbar, gcat, ica, minf, mtau, hinf, htau
    GLOBAL USEGHK
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
    (mM) = (milli/liter)
}

PARAMETER {
    gcatbar = 0.003 (S/cm2)  : maximal conductance
    USEGHK = 1 (1)           : 1: GHK driving force; otherwise ohmic with a reversal of 100 mV
}

ASSIGNED {
    v (mV)
    celsius (degC)
    cai (mM)
    cao (mM)
    ica (mA/cm2)
    gcat (S/cm2)
    minf (1)
    mtau (ms)
    hinf (1)
    htau (ms)
    qt (1)
}

STATE { m h }

INITIAL {
    qt = 5^((celsius - 25(degC))/10(degC))
    rates(v)
    m = minf
    h = hinf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    gcat = gcatbar*m*m*h
    if (USEGHK == 1) {
        ica = gcat*ghk(v, cai, cao)
    } else {
        ica = gcat*(v - 100(mV))
    }
}

DERIVATIVE states {
    rates(v)
    m' = (minf - m)/mtau
    h' = (hinf - h)/htau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL alpha, z
    alpha = 0.2*linoid(19.26 - v, 10)
    minf = alpha/(alpha + 0.009*exp(-v/22.03))

    z = 0.0378*2*(v + 28)
    mtau = exp(0.1*z)/(qt*0.04*(1 + exp(z)))
    if (mtau < 0.2) { mtau = 0.2 }

    alpha = 1e-6*exp(-v/16.26)
    hinf = alpha/(alpha + 1/(exp((29.79 - v)/10) + 1))

    z = 0.0378*3.5*(v + 75)
    htau = exp(0.6*z)/(qt*0.015*(1 + exp(z)))
    if (htau < 10) { htau = 10 }
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
