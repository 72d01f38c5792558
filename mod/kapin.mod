TITLE kapin: A-type potassium current of interneurons

COMMENT
A-type current with proximal kinetics: gates n (activation) and l (inactivation).

Source: Klee, Ficker & Heinemann; modified by Brannon & Poirazi for Hoffman et al. (1997).
Units: mV, ms, S/cm2, mA/cm2.

Kept on purpose:
- the temperature factor acts on taun alone, and not on its floor of 0.1 ms;
- taul is 12 ms at any voltage and temperature;
- rounded constants in the thermal factor kt (F/RT in 1/mV).
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX kapin
    USEION k READ ek WRITE ik
    RANGE gkabar, ik, ninf, taun, linf, taul
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
}

PARAMETER {
    gkabar = 0 (S/cm2)  : maximal conductance
}

ASSIGNED {
    v (mV)
    celsius (degC)
    ek (mV)
    ik (mA/cm2)
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
    ik = gkabar*n*l*(v - ek)
}

DERIVATIVE states {
    rates(v)
    n' = (ninf - n)/taun
    l' = (linf - l)/taul
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL z, a
    z = (-1.5 - 1/(1 + exp((v + 40)/5)))*kt*(v - 11)
    a = exp(z)
    ninf = 1/(1 + a)
    taun = exp(0.55*z)/(qt*0.05*(1 + a))
    if (taun < 0.1) { taun = 0.1 }

    linf = 1/(1 + exp(3*kt*(v + 56)))
    taul = 12
}

FUNCTION thermal(t (degC)) (1/mV) {
    thermal = 1e-3*9.648e4/(8.315*(273.16 + t))
}
UNITSON
