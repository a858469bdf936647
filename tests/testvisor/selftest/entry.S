// SPDX-License-Identifier: Apache-2.0
//
// The self-test runs in the root zone's place, at EL1 with the MMU off. CPU 0
// runs the tests; every other CPU, the root zone's second one and those of
// zones, does what it is asked to.

#define STACK_SIZE 0x4000

        .section .text.boot, "ax"
        .global program_start
program_start:
        adrp    x1, bss_start
        add     x1, x1, :lo12:bss_start
        adrp    x2, bss_end
        add     x2, x2, :lo12:bss_end
1:      cmp     x1, x2
        b.hs    2f
        stp     xzr, xzr, [x1], #16
        b       1b
2:      bl      set_up
        bl      root_main

        .global helper_entry
helper_entry:
        mov     x19, x0
        bl      set_up
        mov     x0, x20
        mov     x1, x19
        bl      helper_main

set_up:
        mrs     x20, mpidr_el1
        and     x20, x20, #0xff
        adrp    x1, vectors
        add     x1, x1, :lo12:vectors
        msr     vbar_el1, x1
        isb
        adrp    x1, stacks
        mov     x2, #STACK_SIZE
        add     x3, x20, #1
        madd    x1, x2, x3, x1
        mov     sp, x1
        ret

        .text
        .balign 2048
vectors:
        .rept   16
        .balign 128
        mrs     x0, mpidr_el1
        and     x0, x0, #0xff
        mrs     x1, esr_el1
        mrs     x2, elr_el1
        bl      unexpected_exception
        .endr

        .section .noinit, "aw", %nobits
        .balign 16
stacks:
        .space  STACK_SIZE * 4
