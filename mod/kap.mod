TITLE kap: A-type potassium current

COMMENT
A-type current of pyramidal cells: gates n (activation) and l (inactivation).

Source: kinetics of Klee, Ficker & Heinemann modified for the A-current of Dax, by M. Migliore
(1997, 2001); Suter, Migliore & Shepherd (2011).
Units: mV, ms, S/cm2, mA/cm2.

Kept on purpose:
- the temperature factor acts on taun alone, and not on its floor of 0.4 ms;
- vhalfl moves linf but not taul, whose ramp starts at a fixed voltage;
- rounded constants in the thermal factor kt (F/RT in 1/mV).
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX kap
    USEION k READ ek WRITE ik
    RANGE gbar, sh, tq, vhalfn, vhalfl, g, ik, ninf, taun, linf, taul
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
}

PARAMETER {
    gbar = 0.008 (S/cm2)  : maximal conductance
    sh = 0 (mV)           : shift of both gates towards positive voltages
    tq = -40 (mV)         : voltage at which the slope of n changes
    vhalfn = 11 (mV)      : half activation
    vhalfl = -56 (mV)     : half inactivation
}

ASSIGNED {
    v (mV)
    celsius (degC)
    ek (mV)
    ik (mA/cm2)
    g (S/cm2)
    ninf (1)
    taun (ms)
    linf (1)
    taul (ms)
    qt (1)
    kt (1/mV)
}

STATE { n l }

INITIAL {
    qt = 5^((celsius - 24(degC))/10(degC))
    kt = thermal(celsius)
    rates(v)
    n = ninf
    l = linf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    g = gbar*n*l
    ik = g*(v - ek)
}

DERIVATIVE states {
    rates(v)
    n' = (ninf - n)/taun
    l' = (linf - l)/taul
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL z, a
    z = (-1.5 - 1/(1 + exp((v - tq - sh)/5)))*kt*(v - vhalfn - sh)
    a = exp(z)
    ninf = 1/(1 + a)
    taun = exp(0.55*z)/(qt*0.05*(1 + a))
    if (taun < 0.4) { taun = 0.4 }

    linf = 1/(1 + exp(3*kt*(v - vhalfl - sh)))
    taul = 0.26*(v + 50 - sh)
    if (taul < 5) { taul = 5 }
}

FUNCTION thermal(t (degC)) (1/mV) {
    thermal = 1e-3*9.648e4/(8.315*(273.16 + t))
}
UNITSON
