// SPDX-License-Identifier: Apache-2.0
//
// Entry of every CPU at EL2. Memory is mapped one to one: devices below
// 0x40000000, normal memory above. With the MMU off unaligned accesses and
// exclusives would depend on QEMU's version.

#define STACK_SIZE 0x4000

        .section .text.boot, "ax"
        .global _start
_start:
        mrs     x1, CurrentEL
        cmp     x1, #8
        b.ne    not_el2
        adrp    x1, bss_start
        add     x1, x1, :lo12:bss_start
        adrp    x2, bss_end
        add     x2, x2, :lo12:bss_end
1:      cmp     x1, x2
        b.hs    2f
        stp     xzr, xzr, [x1], #16
        b       1b
2:      mov     x19, #0
        bl      set_up_el2
        bl      boot_main
        mov     x0, #0
        bl      cpu_main

// A CPU started by CPU_ON; x0 is its number.
        .global secondary_entry
secondary_entry:
        mov     x19, x0
        bl      set_up_el2
        mov     x0, x19
        bl      cpu_main

not_el2:
        adrp    x1, stacks
        add     x1, x1, #STACK_SIZE
        mov     sp, x1
        bl      entered_below_el2

// x19 is the CPU's number.
set_up_el2:
        ldr     x1, =0xff04
        msr     mair_el2, x1
        ldr     x1, =0x80823519         // 39 bits, write-back, inner shareable, 40-bit addresses
        msr     tcr_el2, x1
        adrp    x1, el2_table
        msr     ttbr0_el2, x1
        adrp    x1, vectors
        add     x1, x1, :lo12:vectors
        msr     vbar_el2, x1
        dsb     sy
        tlbi    alle2
        dsb     sy
        isb
        ldr     x1, =0x30c5183d         // MMU, caches, stack alignment
        msr     sctlr_el2, x1
        isb
        adrp    x1, stacks
        mov     x2, #STACK_SIZE
        add     x3, x19, #1
        madd    x1, x2, x3, x1
        mov     sp, x1
        ret

// enter_guest(entry, x0): leave for EL1 with interrupts masked and, of the
// hypervisor's own, nothing in any register. Never comes back; the next exit
// starts on an empty stack.
        .global enter_guest
enter_guest:
        msr     elr_el2, x0
        mov     x2, #0x3c5
        msr     spsr_el2, x2
        mov     x0, x1
        mrs     x3, mpidr_el1
        and     x3, x3, #0xff
        add     x3, x3, #1
        adrp    x1, stacks
        mov     x2, #STACK_SIZE
        madd    x1, x2, x3, x1
        mov     sp, x1
        .irp    n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
        mov     x\n, #0
        .endr
        eret

        .section .data.el2_table, "aw"
        .balign 4096
el2_table:
        .quad   0x0040000000000441      // devices, not executable
        .quad   0x0000000040000745
        .quad   0x0000000080000745
        .quad   0x00000000c0000745
        .fill   508, 8, 0

        .section .noinit, "aw", %nobits
        .balign 4096
stacks:
        .space  STACK_SIZE * 4
