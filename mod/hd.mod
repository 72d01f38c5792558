TITLE hd: h-current with a leak of its own

COMMENT
H-current with one gate l, and a second current lk: a leak in proportion to gbar that the gate does
not control.

Source: Magee (1998), parameters of distal dendrites; M. Migliore (2010).
Units: mV, ms, S/cm2, mA/cm2.

Kept on purpose: both currents reach the membrane; taul is centred at -75 mV whatever vhalfl;
0.0378/mV stands for the thermal factor at any temperature.
linf and taul are per segment here, so that threads do not share them.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX hd
    NONSPECIFIC_CURRENT i, lk
    RANGE gbar, vhalfl, ehd, clk, elk, i, lk, glk, linf, taul
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
}

PARAMETER {
    gbar = 0.0001 (S/cm2)  : maximal conductance of the h-current
    vhalfl = -90 (mV)      : half activation
    ehd = -30 (mV)         : reversal of the h-current
    clk = 0 (1)            : leak conductance relative to gbar
    elk = -70 (mV)         : reversal of the leak
}

ASSIGNED {
    v (mV)
    celsius (degC)
    i (mA/cm2)
    lk (mA/cm2)
    glk (S/cm2)
    linf (1)
    taul (ms)
    qt (1)
}

STATE { l }

INITIAL {
    qt = 4.5^((celsius - 33(degC))/10(degC))
    rates(v)
    l = linf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    i = gbar*l*(v - ehd)
    glk = clk*gbar
    lk = glk*(v - elk)
}

DERIVATIVE states {
    rates(v)
    l' = (linf - l)/taul
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL z
    linf = 1/(1 + exp(0.0378*4*(v - vhalfl)))
    z = 0.0378*2.2*(v + 75)
    taul = exp(0.4*z)/(qt*0.0046*(1 + exp(z)))
}
UNITSON
