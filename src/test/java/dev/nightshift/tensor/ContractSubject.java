package dev.nightshift.tensor;

import java.util.Random;

/** What the parts of the contract know of the backend they are inherited by. */
interface ContractSubject {
    /** The backend opened for this test. */
    TensorOps ops();

    default Scene scene() {
        return new Scene(ops());
    }

    /**
     * Whether a row's result is the same bit for bit in calls of any number of rows. Where not, the same call must still give
     * the same bits twice, and rows agree within rounding.
     */
    boolean bitExact();

    /** Fresh random numbers from the seed that was printed, the same for the same name. */
    Random random(String name);
}
