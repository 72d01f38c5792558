TITLE nap: persistent sodium current

COMMENT
Persistent sodium current: gates m (activation) and h (slow inactivation), both to the first power.
The DA_ parameters let a modulator shift or add to the rates.

Source: prefrontal cell model, ModelDB 144089.
Units: mV, ms, S/cm2, mA/cm2.

Kept on purpose: near zero the argument of every rate is moved by 1e-5 mV, also where nothing would
diverge; no temperature dependence, no floors.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX nap
    USEION na READ ena WRITE ina
    RANGE gbar, DA_alphamshift, DA_betamshift, DA_alphahfactor, DA_betahfactor
    RANGE ina, minf, mtau, hinf, htau
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
}

PARAMETER {
    gbar = 0.0022 (S/cm2)       : maximal conductance
    DA_alphamshift = 0 (mV)     : shift of the opening rate of m
    DA_betamshift = 0 (mV)      : shift of the closing rate of m
    DA_alphahfactor = 0 (1/ms)  : added to the scale of the opening rate of h
    DA_betahfactor = 0 (1/ms)   : added to the scale of the closing rate of h
}

ASSIGNED {
    v (mV)
    ena (mV)
    ina (mA/cm2)
    minf (1)
    mtau (ms)
    hinf (1)
    htau (ms)
}

STATE { m h }

INITIAL {
    rates(v)
    m = minf
    h = hinf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ina = gbar*m*h*(v - ena)
}

DERIVATIVE states {
    rates(v)
    m' = (minf - m)/mtau
    h' = (hinf - h)/htau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL x, alpha, beta
    x = nudged(v + 12 + DA_alphamshift)
    alpha = -0.2816*x/(exp(-x/9.3) - 1)
    x = nudged(v - 15 + DA_betamshift)
    beta = 0.2464*x/(exp(x/6) - 1)
    mtau = 1/(alpha + beta)
    minf = alpha*mtau

    alpha = (2.8e-5 + DA_alphahfactor)*exp(-nudged(v + 42.8477)/4.0248)
    beta = (0.02 + DA_betahfactor)/(1 + exp(-nudged(v - 413.9284)/148.2589))
    htau = 1/(alpha + beta)
    hinf = alpha*htau
}

FUNCTION nudged(x) {
    if (fabs(x) < 1e-4) {
        nudged = x + 1e-5
    } else {
        nudged = x
    }
}
UNITSON
