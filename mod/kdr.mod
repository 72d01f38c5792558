TITLE kdr: delayed-rectifier potassium current

COMMENT
Delayed rectifier of pyramidal cells with one gate n.

Source: kinetics of Klee, Ficker & Heinemann modified after Dax et al., by M. Migliore (1997);
Suter, Migliore & Shepherd (2011).
Units: mV, ms, S/cm2, mA/cm2.

Kept on purpose:
- the 20 ms limit of taun is a lower one, so the gate is slow at every voltage;
- the q10 of the time constant is 1, so temperature enters through the slopes alone;
- rounded constants in the thermal factor kt (F/RT in 1/mV).
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX kdr
    USEION k READ ek WRITE ik
    RANGE gbar, vhalfn, sh, g, ik, ninf, taun
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
}

PARAMETER {
    gbar = 0.003 (S/cm2)  : maximal conductance
    vhalfn = 13 (mV)      : half activation
    sh = 0 (mV)           : shift towards positive voltages
}

ASSIGNED {
    v (mV)
    celsius (degC)
    ek (mV)
    ik (mA/cm2)
    g (S/cm2)
    ninf (1)
    taun (ms)
    kt (1/mV)
}

STATE { n }

INITIAL {
    kt = thermal(celsius)
    rates(v)
    n = ninf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    g = gbar*n
    ik = g*(v - ek)
}

DERIVATIVE states {
    rates(v)
    n' = (ninf - n)/taun
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL z, a
    z = -3*kt*(v - vhalfn - sh)
    a = exp(z)
    ninf = 1/(1 + a)
    taun = exp(0.7*z)/(0.0075*(1 + a))
    if (taun < 20) { taun = 20 }
}

FUNCTION thermal(t (degC)) (1/mV) {
    thermal = 1e-3*9.648e4/(8.315*(273.16 + t))
}
UNITSON
