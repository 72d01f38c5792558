TITLE nax: transient sodium current

COMMENT
Fast sodium current of pyramidal cells: gates m (activation, cubed) and h (inactivation), no slow
inactivation.

Source: M. Migliore (1997, 2002); as used by Suter, Migliore & Shepherd, corticospinal neuron model
BS0284 (2011).
Units: mV, ms, S/cm2, mA/cm2.

Kept on purpose:
- hinf is a sigmoid of its own, not alpha/(alpha + beta) of the rates that give htau;
- the floors of mtau (0.02 ms) and htau (0.5 ms) are not scaled by temperature.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX nax
    USEION na READ ena WRITE ina
    RANGE gbar, sh, ina, minf, mtau, hinf, htau
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
}

PARAMETER {
    gbar = 0.010 (S/cm2)  : maximal conductance
    sh = 0 (mV)           : shift of both gates towards positive voltages
}

ASSIGNED {
    v (mV)
    celsius (degC)
    ena (mV)
    ina (mA/cm2)
    minf (1)
    mtau (ms)
    hinf (1)
    htau (ms)
    qt (1)
}

STATE { m h }

INITIAL {
    qt = 2^((celsius - 24(degC))/10(degC))
    rates(v)
    m = minf
    h = hinf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ina = gbar*m*m*m*h*(v - ena)
}

DERIVATIVE states {
    rates(v)
    m' = (minf - m)/mtau
    h' = (hinf - h)/htau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL x, e, y, alpha, beta
    : x/(1 - exp(-x/q)) and its mirror image x/(exp(x/q) - 1) share one exponential
    x = v + 30 - sh
    e = exp(-x/7.2)
    y = linoid(x, 7.2, e)
    alpha = 0.4*y
    beta = 0.124*y*e
    minf = alpha/(alpha + beta)
    mtau = 1/((alpha + beta)*qt)
    if (mtau < 0.02) { mtau = 0.02 }

    x = v + 45 - sh
    e = exp(-x/1.5)
    y = linoid(x, 1.5, e)
    alpha = 0.03*y
    beta = 0.01*y*e
    hinf = 1/(1 + exp((v + 50 - sh)/4))
    htau = 1/((alpha + beta)*qt)
    if (htau < 0.5) { htau = 0.5 }
}

FUNCTION linoid(x, q, e) {  : x/(1 - e) with e = exp(-x/q)
    if (fabs(x) > 1e-6) {
        linoid = x/(1 - e)
    } else {
        linoid = q
    }
}
UNITSON
