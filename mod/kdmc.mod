TITLE kdmc: D-type potassium current

COMMENT
Slowly inactivating D-type current of corticospinal cells: gates m (activation) and h
(inactivation, about a second).

Source: Miller et al. (2008) and Storm (1988), derived from the mitral-cell A-current of Wang et
al. (1996) (Migliore 2002); Suter, Migliore & Shepherd (2011).
Units: mV, ms, S/cm2, mA/cm2.

Kept on purpose: mtau is 1 ms at any voltage and temperature; the floor taumin of htau is not scaled
by temperature.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX kdmc
    USEION k READ ek WRITE ik
    RANGE gbar, ik, minf, mtau, hinf, htau
    GLOBAL taumin
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
}

PARAMETER {
    gbar = 0.002 (S/cm2)  : maximal conductance
    taumin = 0.1 (ms)     : floor of htau
}

ASSIGNED {
    v (mV)
    celsius (degC)
    ek (mV)
    ik (mA/cm2)
    minf (1)
    mtau (ms)
    hinf (1)
    htau (ms)
    qt (1)
}

STATE { m h }

INITIAL {
    qt = 3^((celsius - 34(degC))/10(degC))
    rates(v)
    m = minf
    h = hinf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = gbar*m*h*(v - ek)
}

DERIVATIVE states {
    rates(v)
    m' = (minf - m)/mtau
    h' = (hinf - h)/htau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL z
    minf = 1/(1 + exp(-(v + 25)/14))
    mtau = 1

    z = 0.02*(v + 5)
    hinf = 1/(1 + exp((v + 100)/8))
    htau = exp(0.2*z)/(qt*0.00058*(1 + exp(z)))
    if (htau < taumin) { htau = taumin }
}
UNITSON
