// SPDX-License-Identifier: Apache-2.0

        .macro  save
        sub     sp, sp, #272
        stp     x0, x1, [sp, #0]
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        stp     x18, x19, [sp, #144]
        stp     x20, x21, [sp, #160]
        stp     x22, x23, [sp, #176]
        stp     x24, x25, [sp, #192]
        stp     x26, x27, [sp, #208]
        stp     x28, x29, [sp, #224]
        mrs     x0, elr_el2
        stp     x30, x0, [sp, #240]
        mrs     x0, spsr_el2
        str     x0, [sp, #256]
        mov     x0, sp
        .endm

        .macro  from_guest, handler
        .balign 128
        save
        bl      \handler
        b       back_to_guest
        .endm

        .macro  never, number
        .balign 128
        save
        mov     x1, #\number
        bl      unexpected_exception
        .endm

        .text
        .balign 2048
        .global vectors
vectors:
        never   0
        never   1
        never   2
        never   3
        never   4
        never   5
        never   6
        never   7
        from_guest handle_synchronous
        never   9
        from_guest handle_fiq
        never   11
        never   12
        never   13
        never   14
        never   15

back_to_guest:
        ldr     x0, [sp, #256]
        msr     spsr_el2, x0
        ldp     x30, x0, [sp, #240]
        msr     elr_el2, x0
        ldp     x28, x29, [sp, #224]
        ldp     x26, x27, [sp, #208]
        ldp     x24, x25, [sp, #192]
        ldp     x22, x23, [sp, #176]
        ldp     x20, x21, [sp, #160]
        ldp     x18, x19, [sp, #144]
        ldp     x16, x17, [sp, #128]
        ldp     x14, x15, [sp, #112]
        ldp     x12, x13, [sp, #96]
        ldp     x10, x11, [sp, #80]
        ldp     x8, x9, [sp, #64]
        ldp     x6, x7, [sp, #48]
        ldp     x4, x5, [sp, #32]
        ldp     x2, x3, [sp, #16]
        ldp     x0, x1, [sp, #0]
        add     sp, sp, #272
        eret
